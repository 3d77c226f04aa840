"""Templates that only the holder of the key can read."""

from __future__ import annotations

import io
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from galleries import SPACE, contents, entries, filled, vectors
from twinlens.errors import ConfigError, GalleryError
from twinlens.gallery import Cipher, Gallery, Migration, Space, cache_file, index, write_key
from twinlens.gallery.cipher import OpeningFile, SealingFile
from twinlens.gallery.store import NAME

pytest.importorskip("cryptography")
CIPHER = Cipher(bytes(range(32)))
OTHER = Cipher(bytes(32))


def sealed(path: Path, count: int) -> Gallery:
    gallery = Gallery.create(path, SPACE, log_searches=False, cipher=CIPHER)
    gallery.add(vectors(range(count)), entries(range(count)))
    return gallery


def numbers_in(folder: Path, count: int) -> int:
    """How many numbers of the templates stand in any file as they are."""
    content = b"".join(part.read_bytes() for part in folder.iterdir())
    return sum(row.tobytes()[:8] in content for row in vectors(range(count)))


@pytest.fixture(params=["exact", "graph"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "graph":
        monkeypatch.setattr(index, "EXACT_VALUES", 100)
    return request.param


def test_no_file_holds_a_template_and_searches_are_the_same(tmp_path: Path, kind: str) -> None:
    with filled(tmp_path / "plain", 60) as plain, sealed(tmp_path / "g", 60) as gallery:
        expected = plain.search(vectors(range(9)), 3)
        assert gallery.stats().index == kind
        assert (gallery.stats().encrypted, plain.stats().encrypted) == (True, False)
        for found, wanted in zip(gallery.search(vectors(range(9)), 3), expected, strict=True):
            assert [hit.score for hit in found] == [hit.score for hit in wanted]
            assert [hit.item.id for hit in found] == [hit.item.id for hit in wanted]
        assert numbers_in(tmp_path / "g", 60) == 0  # in the write-ahead log, too
        gallery.remove([3])
    assert numbers_in(tmp_path / "g", 60) == 0
    assert numbers_in(tmp_path / "plain", 60) == 60
    kept = cache_file.load(tmp_path / "g" / cache_file.NAME, SPACE, CIPHER)
    assert kept is not None
    assert len(kept.index) == 59
    for wrong in (OTHER, None):
        with pytest.raises(GalleryError, match="must be opened with its key"):
            Gallery.open(tmp_path / "g", cipher=wrong)
    with pytest.raises(GalleryError, match="Got one that is not"):
        Gallery.open(tmp_path / "plain", cipher=CIPHER)
    with Gallery.open(tmp_path / "g", cipher=CIPHER) as gallery:
        assert contents(gallery) == set(range(60)) - {2}
        assert gallery.verify().problems == ()
        assert gallery.verify_removed(3) == []
        assert gallery.rebuild() == 59


def test_a_template_opens_at_its_own_place_only(tmp_path: Path) -> None:
    sealed(tmp_path / "g", 9).close()
    (tmp_path / "g" / cache_file.NAME).unlink(missing_ok=True)
    with closing(sqlite3.connect(tmp_path / "g" / NAME, isolation_level=None)) as db:
        row = db.execute("SELECT vector, checksum FROM template WHERE item = 4").fetchone()
        db.execute("UPDATE template SET vector = ?, checksum = ? WHERE item = 5", row)
    with (
        Gallery.open(tmp_path / "g", cipher=CIPHER) as gallery,
        pytest.raises(GalleryError, match="in that of item 5"),
    ):
        gallery.search(vectors([1]), 1)


def test_it_stays_sealed_under_a_new_model(tmp_path: Path) -> None:
    sealed(tmp_path / "g", 9).close()
    new = Space("fedcba9876543210", 8, "inner_product")
    with pytest.raises(GalleryError, match="must be opened with its key"):
        Migration(tmp_path / "g", new)
    with Migration(tmp_path / "g", new, cipher=CIPHER) as migration:
        migration.bring(range(1, 10), vectors(range(9))[::-1])
        assert migration.finish()
    assert numbers_in(tmp_path / "g", 9) == 0
    with Gallery.open(tmp_path / "g", cipher=CIPHER) as gallery:
        assert np.array_equal(gallery.vectors(gallery.ids()), vectors(range(9))[::-1])


def test_a_key_lies_in_a_file_of_its_owner(tmp_path: Path) -> None:
    write_key(tmp_path / "key")
    write_key(tmp_path / "other")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="new file"):
        write_key(tmp_path / "key")
    check = Cipher.from_file(tmp_path / "key").check()
    assert Cipher.from_file(tmp_path / "key").fits(check)
    assert not Cipher.from_file(tmp_path / "other").fits(check)
    (tmp_path / "short").write_text("abcd")
    (tmp_path / "text").write_text("my secret")
    for name in ("short", "text", "none"):
        with pytest.raises(ConfigError, match="twinlens gallery key"):
            Cipher.from_file(tmp_path / name)


def test_a_sealed_file_opens_whole_or_not_at_all() -> None:
    data = np.random.default_rng(0).bytes(3 * 2**20 + 5)
    file = io.BytesIO()
    sealing = SealingFile(file, CIPHER, "index 1")
    for start in range(0, len(data), 700_000):
        sealing.write(data[start : start + 700_000])
    sealing.close()
    content = file.getvalue()
    opening = OpeningFile(io.BytesIO(content), CIPHER, "index 1")
    assert opening.read(10) + opening.read(len(data)) + opening.read(5) == data
    part = 1 + 4 + 12 + 2**20 + 16
    broken = {
        "cut": content[:part],
        "swapped": content[part : 2 * part] + content[:part] + content[2 * part :],
        "changed": content[:100] + bytes([content[100] ^ 1]) + content[101:],
        "ended early": b"\1" + content[1:part],
    }
    for name, wrong in broken.items():
        with pytest.raises(ValueError, match="does not open"):
            OpeningFile(io.BytesIO(wrong), CIPHER, "index 1").read(len(data))
        assert name
    with pytest.raises(ValueError, match="does not open"):
        OpeningFile(io.BytesIO(content), CIPHER, "index 2").read(1)
