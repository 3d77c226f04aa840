"""Enrolling: what has an identity, what keeps its labels, and what is left out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinlens.bundle import Bundle
from twinlens.cli.gallery_texts import told_enrolled
from twinlens.gallery import AnyGallery
from twinlens.tasks.gallery import create_gallery, enrol


@pytest.fixture
def gallery(bundle: Bundle, tmp_path: Path) -> Iterator[AnyGallery]:
    with create_gallery(tmp_path / "g", bundle) as made:
        yield made


def test_a_folder_without_folders_has_no_identity_unless_one_is_given(
    bundle: Bundle, gallery: AnyGallery, glyphs: Path
) -> None:
    flat, other = sorted(glyphs.iterdir())[:2]
    done = enrol(gallery, bundle, [flat])
    assert (len(done.added), done.without_identity) == (6, 6)
    assert "6 added (6 without an identity), 0 there" in told_enrolled(flat, done)
    again = enrol(gallery, bundle, [flat])
    assert (again.known, again.without_identity) == (6, 0)
    named = enrol(gallery, bundle, [other], identity="Ann")
    assert (len(named.added), named.without_identity) == (6, 0)
    assert "6 added, 0 there" in told_enrolled(flat, named)
    assert gallery.stats().without_identity == 6


def test_what_is_there_keeps_its_labels_and_that_is_told(
    bundle: Bundle, gallery: AnyGallery, glyphs: Path, tmp_path: Path
) -> None:
    folder = next(iter(sorted(glyphs.iterdir())))
    first = enrol(gallery, bundle, [folder], labels={"colour": "red"})
    assert first.labels_not_added == 0
    assert "labels" not in told_enrolled(folder, first)
    for labels, changed in (
        ({}, 0),
        ({"colour": "red"}, 0),
        ({"colour": "blue"}, 6),
        ({"colour": "red", "size": "2"}, 6),
    ):
        done = enrol(gallery, bundle, [folder], labels=labels)
        assert (done.known, done.labels_not_added) == (6, changed)
    assert "labels of 6 that were there already were not changed" in told_enrolled(folder, done)
    assert {tuple(item.entry.metadata.items()) for item in gallery.items(gallery.ids())} == {
        (("colour", "red"),)
    }


def test_the_second_of_two_copies_in_one_table_is_told_to_keep_the_labels_of_the_first(
    bundle: Bundle, gallery: AnyGallery, glyphs: Path, tmp_path: Path
) -> None:
    file = next(glyphs.rglob("*.png"))
    shutil.copy(file, tmp_path / "copy.png")
    table = tmp_path / "table.csv"
    table.write_text(f"path,identity,ink\n{file},Ann,bold\ncopy.png,Ann,light\n")
    done = enrol(gallery, bundle, [table])
    assert (len(done.added), done.known, done.labels_not_added) == (1, 1, 1)


def test_names_that_are_no_utf_8_are_left_out_and_told(
    bundle: Bundle, gallery: AnyGallery, glyphs: Path, tmp_path: Path
) -> None:
    folder, strange = tmp_path / "new", os.fsdecode(b"caf\xe9")
    shutil.copytree(next(iter(sorted(glyphs.iterdir()))), folder / "Ann")
    file = next((folder / "Ann").iterdir())
    shutil.copy(file, folder / "Ann" / f"{strange}.png")
    done = enrol(gallery, bundle, [folder])
    assert len(done.added) == 6
    (problem,) = done.problems
    assert problem.startswith(f"{folder}/Ann/'caf\\udce9.png': a file name must be UTF-8 text")
    (alone,) = enrol(gallery, bundle, [folder / "Ann" / f"{strange}.png"]).problems
    assert "caf\\udce9.png': a file name must be UTF-8 text" in alone
    shutil.move(folder, tmp_path / strange)
    done = enrol(gallery, bundle, [tmp_path / strange], identity="Ann")
    assert (done.added, len(done.problems)) == ((), 7)
