"""What a gallery's items were enrolled from, and whether it is still there."""

from __future__ import annotations

from twinlens.data.duplicates import content_hash
from twinlens.errors import DataError
from twinlens.gallery import Item


def why_lost(item: Item, *, by_value: bool) -> str | None:
    """Why the original of an item is not what was enrolled; None when it is.

    Args:
        item: of a gallery.
        by_value: whether the original is what the item's source says, as a text, and not the path
            of a file.
    """
    source = item.entry.source
    if not source:
        return "where it came from is not known"
    try:
        content = content_hash(source, by_value=by_value)
    except DataError as error:
        return str(error)
    return None if content == item.entry.content else f"{source} holds something else now"
