"""A folder, CSV or JSONL file -> `Dataset`. All that is wrong is named at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from twinlens.config import Config
from twinlens.data import relations, tables
from twinlens.data.dataset import Dataset
from twinlens.data.folder import Grouping, examples_of, label_dataset, walk
from twinlens.data.problems import Problem, ProblemLog
from twinlens.errors import DataError
from twinlens.modalities.base import Modality
from twinlens.registry import lookup
from twinlens.types import Example

_KNOWN_TABLES = frozenset({"labels", "pairs", "triplets"})


@dataclass(frozen=True, slots=True)
class Scan:
    """What was read, and what is wrong with it.

    Attributes:
        dataset: all that could be made sense of; only to be trained on without errors.
        problems: in order of reading.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]


def as_dataset(
    data: Path | str | Dataset, config: Config, *, log: ProblemLog | None = None
) -> Dataset:
    """A data set that has been read, or what a configuration reads from a path.

    Args:
        data: path, or a data set that has been read.
        config: says how a path is read.
        log: takes what is worth knowing of a data set that is read now, and stops nothing.

    Raises:
        DataError: see `read_dataset`.
    """
    if isinstance(data, Dataset):
        return data
    path, log = Path(data), log or ProblemLog()
    return _checked(path, modality=config.modality.name, group=config.data.group, log=log)


def read_dataset(path: Path, *, modality: str = "image", group: Grouping = "auto") -> Dataset:
    """Read examples, with identities or with given pairs or triplets.

    `path` is one of:

    - A folder with a folder for each class. Folders may be nested: the identity is the path of an
      example's folder, as "Greek/alpha".
    - A CSV or JSONL file whose columns say what it gives: `path, identity` (and `group`);
      `left, right, same`; `left, right, score` (from 0 to 5); or `anchor, positive, negative`.
      Paths are relative to the file. Where inputs are values, as texts are, they stand in the
      columns themselves, and in `text` instead of `path`; or a record's fields stand in columns
      `left_NAME` (`right_NAME`, `text_NAME`, ...), in JSON in an object, and are one text: those
      that are filled, in their order.
    - A folder with one such file and no class folders.

    Args:
        path: folder or file.
        modality: which modality the files are of.
        group: "auto" takes the outer folder as the group when every identity is two levels deep
            and there are at least two outer folders, and the group column of a table; "none"
            leaves groups out.

    Raises:
        DataError: there is nothing to read, or something is wrong; names every file and row.
    """
    return _checked(path, modality=modality, group=group, log=ProblemLog())


def _checked(path: Path, *, modality: str, group: Grouping, log: ProblemLog) -> Dataset:
    dataset = _read(path, modality=modality, group=group, log=log)
    log.refuse(str(path))
    return dataset


def scan(path: Path, *, modality: str = "image", group: Grouping = "auto") -> Scan:
    """Like `read_dataset`, but hands all problems back and raises for none in single rows or files.

    Raises:
        DataError: there is nothing at all to read.
    """
    log = ProblemLog()
    dataset = _read(path, modality=modality, group=group, log=log)
    return Scan(dataset, tuple(log.problems))


def read_examples(
    path: Path, *, modality: str = "image", left_out: ProblemLog | None = None
) -> tuple[Example, ...]:
    """Examples with an identity where they have one: a file, those of a table or of a folder.

    In a folder, an example's identity is the path of the folder that it lies in, and none at the
    top; a folder with one table and no class folders stands for its table. Of a modality whose
    references are values, a file that is no table holds one a line.

    Args:
        path: file, table or folder.
        modality: which modality the files are of.
        left_out: where files and folders are noted that cannot be read; without it they are errors.

    Raises:
        DataError: there is none, or something is wrong; names every file and row.
    """
    log = ProblemLog()
    if path.is_dir() and _by_value(modality):
        examples = _read_folder(path, modality=modality, group="none", log=log).examples
    elif path.is_dir():
        folders = walk(path, log)
        found = examples_of(path, folders, modality=modality, suffixes=_suffixes(modality), log=log)
        classes = len({e.identity for e in found if e.identity})
        table = _table_of(path, folders[0].files if folders else (), classes)
        if table is not None:
            return read_examples(table, modality=modality, left_out=left_out)
        examples = tuple(replace(e, identity=e.identity or None) for e in found)
        if left_out is not None:
            left_out.problems += log.problems
            log = ProblemLog()
    elif path.suffix.lower() in tables.SUFFIXES:
        examples = relations.read(path, modality=modality, group="none", log=log).examples
    elif _by_value(modality):
        lines = read_lines(path)
        examples = tuple(Example(line, None, fields={modality: line}) for line in lines)
    elif path.exists():
        examples = (Example(path.name, None, fields={modality: str(path)}, source=str(path)),)
    else:
        raise DataError(f"The inputs must exist. Got {path}. Correct the path.")
    log.refuse(str(path))
    if not examples and not (left_out is not None and left_out.errors()):
        raise DataError(f"{path} must hold {modality} files. Got none. Correct the path.")
    return examples


def read_inputs(path: Path, *, modality: str = "image") -> list[str]:
    """Inputs without any label: see `read_examples`.

    Raises:
        DataError: there is none, or something is wrong; names every file and row.
    """
    return [e.fields[modality] for e in read_examples(path, modality=modality)]


def read_lines(path: Path) -> list[str]:
    """The lines of a file that are not blank; other separators of Unicode end none.

    Raises:
        DataError: it cannot be read, is not UTF-8, or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # of every ending
    except OSError as error:
        raise DataError(f"{path} must be a readable file. Got: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text. Got other bytes. Save it as UTF-8.") from error
    if not (found := [line for line in lines if line.strip()]):
        raise DataError(f"{path} must have lines. Got none with text. Fill it.")
    return found


def _read(path: Path, *, modality: str, group: Grouping, log: ProblemLog) -> Dataset:
    if path.is_dir():
        return _read_folder(path, modality=modality, group=group, log=log)
    if not path.exists():
        raise DataError(f"The data must exist. Got {path}. Correct the path.")
    if path.suffix.lower() not in tables.SUFFIXES:
        raise DataError(
            f"The data must be a folder, a CSV or a JSONL file. Got {path}. "
            f"Known endings: {', '.join(sorted(tables.SUFFIXES))}."
        )
    return relations.read(path, modality=modality, group=group, log=log)


def _read_folder(root: Path, *, modality: str, group: Grouping, log: ProblemLog) -> Dataset:
    folders = walk(root, log)
    if _by_value(modality):
        table = _table_of(root, folders[0].files if folders else (), 0)
        if table is None:
            raise DataError(
                f"{root} must hold one CSV or JSONL file, since a {modality} is no file. Got "
                "none. Name the table."
            )
        return relations.read(table, modality=modality, group=group, log=log)
    suffixes = _suffixes(modality)
    found = ProblemLog()
    examples = examples_of(root, folders, modality=modality, suffixes=suffixes, log=found)
    classes = len({e.identity for e in examples if e.identity})
    table = _table_of(root, folders[0].files if folders else (), classes)
    if table is not None:
        return relations.read(table, modality=modality, group=group, log=log)
    log.problems += found.problems
    if not classes:
        raise DataError(
            f"{root} must hold a folder for each class with {modality} files, or one CSV or JSONL "
            f"file. Got neither{_loose(len(examples), modality)}. Correct the path or sort the "
            "files into folders."
        )
    return label_dataset(root, examples, group=group, log=log)


def _by_value(modality: str) -> bool:
    cls: type[Modality] = lookup("modality", modality)
    return cls.by_value


def _suffixes(modality: str) -> frozenset[str]:
    cls: type[Modality] = lookup("modality", modality)
    return cls.suffixes


def _loose(count: int, modality: str) -> str:
    return f", but {count} {modality} files without a class" if count else ""


def _table_of(root: Path, files: tuple[str, ...], classes: int) -> Path | None:
    """The one table that stands for the folder, or None when its class folders do.

    A single folder of files beside a table holds the table's files and is no class folder.

    Raises:
        DataError: it cannot be told which of several is meant.
    """
    found = [root / name for name in files if Path(name).suffix.lower() in tables.SUFFIXES]
    known = [table for table in found if table.stem.lower() in _KNOWN_TABLES]
    if classes > 1:
        if known:
            raise DataError(
                f"{root} must hold class folders or a table, not both. Got {classes} class "
                f"folders and {known[0].name}. Name the table itself ({known[0]}), or move it out."
            )
        return None
    if len(found) > 1:
        names = ", ".join(table.name for table in found)
        raise DataError(
            f"{root} must hold one CSV or JSONL file. Got {len(found)}: {names}. "
            f"Name the one to read, as {found[0]}."
        )
    return found[0] if found else None
