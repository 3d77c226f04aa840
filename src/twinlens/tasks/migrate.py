"""A gallery and a new model -> the same gallery, of the new model, embedded from the originals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twinlens.bundle import Bundle
from twinlens.data.cache import Progress
from twinlens.gallery import Cipher, Item, Migration, require_in_folder
from twinlens.tasks.gallery import BATCH, space_of
from twinlens.tasks.originals import why_lost
from twinlens.tasks.readable import embed_readable


@dataclass(frozen=True, slots=True)
class Migrated:
    """What came of it.

    Attributes:
        done: whether the gallery is of the new model now.
        embedded: items that were embedded this time; those of a run that was cut short count there.
        lost: item -> why it could not be taken over. Removed where that was asked for; else it
            keeps the gallery with the old model.
    """

    done: bool
    embedded: int
    lost: dict[int, str]


def migrate(
    path: Path,
    bundle: Bundle,
    *,
    drop_lost: bool = False,
    cipher: Cipher | None = None,
    progress: Progress | None = None,
) -> Migrated:
    """Embed all that a gallery holds by another model, and let it follow the one of now.

    Numbers, identities, metadata and the log stay. What was done is kept when it is cut short, and
    gone on with. The gallery may be used meanwhile, with the old model.

    Args:
        path: of the gallery.
        bundle: the new model.
        drop_lost: remove items whose originals are gone or changed, instead of giving up.
        cipher: with the key of the gallery, where it is encrypted.
        progress: told of (items embedded, items that were missing).

    Raises:
        GalleryError: it is of this model already, is damaged, cannot be written to, or is kept
            elsewhere than in its folder.
    """
    require_in_folder(path, "migrated")
    lost: dict[int, str] = {}
    embedded = 0
    with Migration(path, space_of(bundle), cipher=cipher) as migration:
        total = migration.missing()
        after = 0
        while True:
            while items := migration.waiting(after=after, most=BATCH):
                after = items[-1].id
                embedded += _brought(migration, bundle, items, lost)
                if progress is not None:
                    progress(embedded, max(total, embedded))
            if lost and not drop_lost:
                return Migrated(False, embedded, lost)
            if migration.finish(without=sorted(lost)):
                return Migrated(True, embedded, lost)


def _brought(migration: Migration, bundle: Bundle, items: list[Item], lost: dict[int, str]) -> int:
    """Embed items from their originals; says which are lost, and why. Returns how many are not."""
    by_value = bundle.siamese.modality.by_value
    there: list[Item] = []
    for item in items:
        why = why_lost(item, by_value=by_value)
        if why is None:
            there.append(item)
        else:
            lost[item.id] = why
    start = 0
    for part in embed_readable(bundle, [item.entry.source for item in there]):
        migration.bring([there[place].id for place in part.places], part.vectors)
        broken = sorted(set(range(start, part.done)) - set(part.places))
        lost.update(zip((there[place].id for place in broken), part.problems, strict=True))
        start = part.done
    return sum(item.id not in lost for item in there)
