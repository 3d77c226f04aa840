"""Who it is, or nobody, is told with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from galleries import SPACE, entries, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import Gallery


class Asked:
    """A calibration that is not asked for any threshold."""

    fingerprint = SPACE.fingerprint


def test_nobody_is_told_apart_from_nobody_with_what_was_filtered_by(tmp_path: Path) -> None:
    asked: Any = Asked()
    with Gallery.create(tmp_path / "g", SPACE) as gallery:
        (empty,) = gallery.identify(vectors([0]), asked)
        assert (empty.word, empty.why) == ("nobody", "nobody is enrolled")
        gallery.add(vectors(range(5)), entries(range(5)))
        (none,) = gallery.identify(vectors([0]), asked, where={"part": "7"})
        assert (none.word, none.enrolled, none.score) == ("nobody", 0, None)
        assert none.why == "nobody who is enrolled has what was filtered by"
        with pytest.raises(GalleryError, match="must name metadata"):
            gallery.identify(vectors([0]), asked, where={"party": "1"})
