"""An export carries everything over; one that is damaged or changed is one clear error."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from galleries import DIM, SPACE, filled, vectors
from twinlens.errors import GalleryError
from twinlens.gallery import Gallery, Space, export_gallery, import_gallery
from twinlens.gallery.transfer import ITEMS, MANIFEST, VECTORS


def test_export_and_import_carry_everything_over(tmp_path: Path) -> None:
    with filled(tmp_path / "g", 20) as gallery:
        gallery.remove([3])
        assert export_gallery(gallery, tmp_path / "out") == 19
        before = [item.entry for item in gallery.items(gallery.ids())]
    with Gallery.create(tmp_path / "h", SPACE) as copy:
        assert len(import_gallery(copy, tmp_path / "out").ids) == 19
        assert [item.entry for item in copy.items(copy.ids())] == before
        np.testing.assert_array_equal(copy.vectors(copy.ids())[0], vectors([0])[0])
        assert import_gallery(copy, tmp_path / "out").ids == ()
    with (
        Gallery.create(tmp_path / "i", Space("other", DIM, "inner_product")) as other,
        pytest.raises(GalleryError, match="of the model other"),
    ):
        import_gallery(other, tmp_path / "out")


def test_changed_exports_are_refused(tmp_path: Path) -> None:
    with filled(tmp_path / "g", 5) as gallery:
        export_gallery(gallery, tmp_path / "out")
        with (tmp_path / "out" / "items.jsonl").open("a") as file:
            file.write("\n")
        with pytest.raises(GalleryError, match="as it was exported"):
            import_gallery(gallery, tmp_path / "out")
        (tmp_path / "out" / "MANIFEST").unlink()
        with pytest.raises(GalleryError, match="gallery export wrote"):
            import_gallery(gallery, tmp_path / "out")


def damaged_export(folder: Path, name: str, content: str | bytes) -> None:
    """Put other content in a file of an export and write its hash into the manifest."""
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    if name != MANIFEST:
        manifest = json.loads((folder / MANIFEST).read_text())
        manifest["files"][name] = hashlib.sha256(data).hexdigest()
        (folder / MANIFEST).write_text(json.dumps(manifest))


ROW = '{"content": "0", "identity": null, "source": "", "metadata": {}, "added": ""}'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (MANIFEST, "[]"),
        (MANIFEST, "\xff".encode("latin-1")),
        (MANIFEST, '{"space": SPACE, "files": FILES}'),
        (MANIFEST, '{"format": 1, "files": FILES}'),
        (MANIFEST, '{"format": 1, "space": SPACE, "files": []}'),
        (MANIFEST, '{"format": 1, "space": SPACE, "files": {}}'),
        (MANIFEST, '{"format": 1, "space": SPACE}'),
        (MANIFEST, '{"format": 1, "space": [], "files": FILES}'),
        (MANIFEST, '{"format": 1, "space": {"colour": 1}, "files": FILES}'),
        (ITEMS, "[]\n"),
        (ITEMS, "7\n"),
        (ITEMS, "{\n"),
        (ITEMS, "{"),
        (ITEMS, "\xff\n".encode("latin-1")),
        (ITEMS, '{"content": "0"}\n'),
        (ITEMS, '{"added": ""}\n'),
        (ITEMS, ROW.replace("}, ", '}, "colour": 1, ') + "\n"),
        (ITEMS, ROW.replace("null", "7") + "\n"),
        (ITEMS, ROW.replace("{}", "[1]") + "\n"),
        (ITEMS, ROW.replace("{}", '{"k": 1}') + "\n"),
        (ITEMS, ROW.replace('"0"', '"\\ud800"') + "\n"),
        (VECTORS, ""),
        (VECTORS, "no array"),
    ],
)
def test_damaged_exports_are_one_clear_error(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    with filled(tmp_path / "g", 1) as gallery, Gallery.create(tmp_path / "h", SPACE) as other:
        export_gallery(gallery, tmp_path / "out")
        known = json.loads((tmp_path / "out" / MANIFEST).read_text())
        if isinstance(content, str):
            for word in ("SPACE", "FILES"):
                content = content.replace(word, json.dumps(known[word.lower()]))
        damaged_export(tmp_path / "out", name, content)
        row = ", row 1," if name == ITEMS and not isinstance(content, bytes) else ""
        with pytest.raises(GalleryError, match=f"{name}{row} must be what twinlens gallery export"):
            import_gallery(other, tmp_path / "out")
        assert len(other) == 0
