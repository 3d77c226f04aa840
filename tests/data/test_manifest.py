"""Folders and tables, as people have them and as they break."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.data.manifest import read_dataset, scan
from twinlens.data.problems import MOST_LISTED
from twinlens.errors import ConfigError, DataError


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


def table(root: Path, text: str, name: str = "data.csv", encoding: str = "utf-8") -> Path:
    path = touch(root, "a.png", "b.png", "c.png", "sub/d.png") / name
    path.write_text(text, encoding=encoding)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read_dataset(path)
    return str(error.value)


# Folders


def test_the_identity_is_the_folder_and_examples_are_sorted(tmp_path: Path) -> None:
    dataset = read_dataset(touch(tmp_path, "dog/2.png", "cat/1.JPG", "dog/10.png"))
    assert [e.id for e in dataset.examples] == ["cat/1.JPG", "dog/10.png", "dog/2.png"]
    assert dataset.labels().tolist() == [0, 1, 1]
    assert dataset.groups() is None
    assert dataset.refs() == [str(tmp_path / e.id) for e in dataset.examples]


def test_an_outer_level_is_the_group(tmp_path: Path) -> None:
    touch(tmp_path, "Greek/alpha/1.png", "Greek/beta/1.png", "Latin/a/1.png")
    dataset = read_dataset(tmp_path)
    assert [e.group for e in dataset.examples] == ["Greek", "Greek", "Latin"]
    assert dataset.identities() == ["Greek/alpha", "Greek/beta", "Latin/a"]
    assert read_dataset(tmp_path, group="none").groups() is None


@pytest.mark.parametrize(
    "paths",
    [("Greek/alpha/1.png", "Latin/1.png"), ("all/cat/1.png", "all/dog/1.png")],
    ids=["not all two levels deep", "one outer folder"],
)
def test_no_group_without_two_whole_levels(paths: tuple[str, ...], tmp_path: Path) -> None:
    assert read_dataset(touch(tmp_path, *paths)).groups() is None


def test_hidden_and_unknown_files_are_no_examples(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.png", "cat/.2.png", "cat/notes.txt", ".git/x.png", "dog/1.png")
    found = scan(tmp_path)
    assert [e.id for e in found.dataset.examples] == ["cat/1.png", "dog/1.png"]
    assert [(p.code, Path(p.where).name) for p in found.problems] == [("unknown-file", "notes.txt")]


def test_an_empty_class_is_a_warning(tmp_path: Path) -> None:
    (touch(tmp_path, "cat/1.png", "dog/1.png") / "bird").mkdir()
    problems = scan(tmp_path).problems
    assert [(p.code, p.severity, Path(p.where).name) for p in problems] == [
        ("empty-class", "warning", "bird")
    ]


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.png", "dog/1.png")
    for folder in ("cat", "dog"):
        for name, target in (("up", ".."), ("self", "."), ("sibling", "../cat")):
            (tmp_path / folder / name).symlink_to(target)
    (tmp_path / "dog" / "loop.png").symlink_to("loop.png")
    found = scan(tmp_path)
    assert {e.identity for e in found.dataset.examples} == {"cat", "dog"}
    assert sum(p.code == "linked-folder" for p in found.problems) == 6


def test_a_linked_folder_elsewhere_is_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.png", "data/dog/1.png")
    (tmp_path / "data" / "cat").symlink_to("../elsewhere")
    assert read_dataset(tmp_path / "data").identities() == ["cat", "dog"]


def test_files_beside_class_folders_are_named(tmp_path: Path) -> None:
    message = refusal(touch(tmp_path, "cat/1.png", "dog/1.png", "stray.png"))
    assert "stray.png" in message and "folder of its class" in message


def test_sides_as_outer_folders_are_warned_of(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/1.png", "test/cat/1.png")
    assert [p.code for p in scan(tmp_path).problems] == ["sides-as-groups"]


def test_names_that_are_not_text_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.png", "dog/1.png")
    try:
        open(os.fsencode(tmp_path) + b"/cat/\xff.png", "w").close()
    except OSError:
        pytest.skip("this file system refuses such names")
    assert "UTF-8" in refusal(tmp_path)


@pytest.mark.parametrize("paths", [(), ("1.png", "2.png"), ("cat/notes.txt",)])
def test_a_folder_without_classes_is_refused(paths: tuple[str, ...], tmp_path: Path) -> None:
    assert "a folder for each class" in refusal(touch(tmp_path, *paths))


def test_a_missing_path_and_another_file_are_refused(tmp_path: Path) -> None:
    assert "must exist" in refusal(tmp_path / "none")
    assert ".csv" in refusal(touch(tmp_path, "a.png") / "a.png")


def test_an_unknown_modality_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smell"):
        read_dataset(touch(tmp_path, "cat/1.png"), modality="smell")


# Tables


def test_labels(tmp_path: Path) -> None:
    path = table(tmp_path, "path,identity,group,age\nb.png,x,g,3\n./a.png,y,h,\n")
    first, second = read_dataset(path).examples
    assert (first.id, first.identity, first.group) == ("a.png", "y", "h")
    assert (second.id, dict(second.extra)) == ("b.png", {"age": "3"})
    assert second.fields["image"] == str(tmp_path / "b.png")
    assert second.source.endswith("data.csv, row 2")
    assert read_dataset(path, group="none").groups() is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_pairs_as_spreadsheets_write_them(
    encoding: str, separator: str, end: str, tmp_path: Path
) -> None:
    rows = ["Left, Right ,SAME", "a.png,b.png,Yes", "", 'b.png,"sub/d.png",0', ""]
    path = table(tmp_path, "", encoding=encoding)
    path.write_bytes(end.join(rows).replace(",", separator).encode(encoding))
    dataset = read_dataset(path)
    assert [e.id for e in dataset.examples] == ["a.png", "b.png", "sub/d.png"]
    pairs = dataset.pairs
    assert pairs is not None and dataset.kind == "pairs"
    assert pairs.left.tolist() == [0, 1] and pairs.right.tolist() == [1, 2]
    assert pairs.same.tolist() == [True, False]


@pytest.mark.parametrize("word", ["1", "true", "YES", "same", "0", "False", "no", "Different"])
def test_words_for_same(word: str, tmp_path: Path) -> None:
    pairs = read_dataset(table(tmp_path, f"left,right,same\na.png,b.png,{word}\n")).pairs
    assert pairs is not None
    assert pairs.same[0] == (word.lower() in ("1", "true", "yes", "same"))


def test_triplets(tmp_path: Path) -> None:
    dataset = read_dataset(table(tmp_path, "anchor,positive,negative\nc.png,a.png,b.png\n"))
    triplets = dataset.triplets
    assert triplets is not None and dataset.kind == "triplets"
    assert (triplets.anchor[0], triplets.positive[0], triplets.negative[0]) == (2, 0, 1)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([{"path": "a.png", "identity": 7}, {"path": "b.png", "identity": "x"}], "labels"),
        ([{"left": "a.png", "right": "b.png", "same": True}], "pairs"),
        ([{"left": "a.png", "right": "b.png", "same": 0}], "pairs"),
        ([{"anchor": "a.png", "positive": "b.png", "negative": "c.png"}], "triplets"),
    ],
)
def test_jsonl(rows: list[dict[str, object]], kind: str, tmp_path: Path) -> None:
    text = "\n".join(json.dumps(row) for row in rows)
    dataset = read_dataset(table(tmp_path, text, "data.jsonl"))
    assert dataset.kind == kind
    assert dataset.examples[0].identity == ("7" if kind == "labels" else None)


def test_a_folder_with_one_table_is_that_table(tmp_path: Path) -> None:
    table(tmp_path, "path,identity\na.png,x\nsub/d.png,y\n", "anything.csv")
    assert read_dataset(tmp_path).identities() == ["x", "y"]


def test_several_tables_or_a_table_beside_classes_are_refused(tmp_path: Path) -> None:
    table(tmp_path, "path,identity\na.png,x\n", "labels.csv")
    table(tmp_path, "left,right,same\na.png,b.png,1\n", "pairs.csv")
    assert "labels.csv, pairs.csv" in refusal(tmp_path)
    touch(tmp_path, "cat/1.png", "dog/1.png")
    assert "not both" in refusal(tmp_path)


def test_an_unrelated_table_beside_classes_is_left_alone(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.png", "dog/1.png", "metadata.csv")
    found = scan(tmp_path)
    assert found.dataset.identities() == ["cat", "dog"]
    assert [p.code for p in found.problems] == ["unknown-file"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty file"),
        ("path,identity\n", "header only"),
        ("path,who\na.png,x\n", "Add identity."),
        ("left,right\na.png,b.png\n", "Add same."),
        ("anchor,positive\na.png,b.png\n", "Add negative."),
        ("path,path,identity\na.png,a.png,x\n", "'path' more than once"),
    ],
)
def test_a_table_of_the_wrong_form_is_refused(text: str, says: str, tmp_path: Path) -> None:
    assert says in refusal(table(tmp_path, text))


def test_other_encodings_are_refused_with_the_row(tmp_path: Path) -> None:
    path = table(tmp_path, "path,identity\na.png,x\nb.png,é\n", encoding="latin-1")
    assert "row 3" in refusal(path)
    assert "UTF-8" in refusal(table(tmp_path, "path,identity\n", encoding="utf-16"))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.png,b.png,maybe", "Got 'maybe'"),
        ("a.png,b.png,", "same must be given"),
        ("a.png", "right must be given"),
        (",b.png,1", "left must be given"),
        ("a.png,none.png,1", "Got none.png"),
        ("a.png,./a.png,1", "a.png twice"),
        ("a.png,b.png,1,2", "3 fields. Got 4"),
        ("b.png,a.png,0", "different, but same in row 2"),
        ("a.png,b.png,0", "different, but same in row 2"),
        ('a.png,"b.png,1', "Correct its quotes"),
    ],
)
def test_a_bad_pair_is_named_with_its_row(row: str, says: str, tmp_path: Path) -> None:
    path = table(tmp_path, f"left,right,same\na.png,b.png,1\n\n{row}\n")
    message = refusal(path)
    assert f"{path}, row 4: " in message
    assert says in message


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.png,b.png,a.png", "three examples"),
        ("a.png,c.png,b.png", "opposite in row 2"),
        ("a.png,c.png,none.png", "Got none.png"),
    ],
)
def test_a_bad_triplet_is_named_with_its_row(row: str, says: str, tmp_path: Path) -> None:
    message = refusal(table(tmp_path, f"anchor,positive,negative\na.png,b.png,c.png\n{row}\n"))
    assert "row 3" in message and says in message


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.png,y,g", "Got 'y', but 'x' in row 2"),
        ("a.png,x,h", "Got 'h', but 'g' in row 2"),
        ("b.png,x,", "group must be given"),
        ("b.png,,g", "identity must be given"),
    ],
)
def test_a_bad_label_is_named_with_its_row(row: str, says: str, tmp_path: Path) -> None:
    message = refusal(table(tmp_path, f"path,identity,group\na.png,x,g\n{row}\n"))
    assert "row 3" in message and says in message


@pytest.mark.parametrize("line", ["[1]", "{", '"text"', "NaN"])
def test_a_bad_json_row_is_named(line: str, tmp_path: Path) -> None:
    rows = f'{{"path": "a.png", "identity": "x"}}\n{line}\n'
    assert "row 2" in refusal(table(tmp_path, rows, "data.jsonl"))


def test_all_bad_rows_are_named_at_once_up_to_a_bound(tmp_path: Path) -> None:
    rows = [f"none{i}.png,x" for i in range(MOST_LISTED + 5)]
    message = refusal(table(tmp_path, "\n".join(["path,identity", *rows])))
    assert f"Got {MOST_LISTED + 5}:" in message
    assert message.count("must be a file") == MOST_LISTED
    assert message.endswith("and 5 more.")


def test_rows_after_a_broken_one_are_read(tmp_path: Path) -> None:
    text = 'left,right,same\n"a"b.png,c.png,1\na.png,none.png,1\n'
    rows = [p.where.rpartition(" ")[2] for p in scan(table(tmp_path, text)).problems]
    assert rows == ["2", "3"]


def test_a_field_over_two_lines_does_not_shift_the_rows(tmp_path: Path) -> None:
    text = 'path,identity,note\na.png,x,"two\nlines"\nnone.png,x,\n'
    assert "row 4" in refusal(table(tmp_path, text))


def test_repeated_rows_that_agree_are_kept_once_and_reported(tmp_path: Path) -> None:
    text = "left,right,same\na.png,b.png,1\nb.png,a.png,1\na.png,b.png,1\n"
    found = scan(table(tmp_path, text))
    assert found.dataset.pairs is not None and len(found.dataset.pairs) == 1
    assert [(p.code, p.severity) for p in found.problems] == [("repeated-row", "warning")] * 2
    assert "row 2" in found.problems[0].message


@given(
    rows=st.lists(
        st.tuples(*[st.sampled_from(["a", "b", "c", "sub/d"])] * 2, st.booleans()),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=50, deadline=None)
def test_pairs_are_read_whole_or_refused(
    rows: list[tuple[str, str, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [f"{left}.png,{right}.png,{int(same)}" for left, right, same in rows]
    path = table(tmp_path_factory.getbasetemp(), "\n".join(["left,right,same", *lines]))
    known: dict[frozenset[str], bool] = {}
    sound = all(
        left != right and known.setdefault(frozenset((left, right)), same) == same
        for left, right, same in rows
    )
    if not sound:
        assert refusal(path)
        return
    dataset = read_dataset(path)
    assert dataset.pairs is not None
    ids = [e.id.removesuffix(".png") for e in dataset.examples]
    triples = zip(dataset.pairs.left, dataset.pairs.right, dataset.pairs.same, strict=True)
    assert {frozenset((ids[i], ids[j])): bool(same) for i, j, same in triples} == known
