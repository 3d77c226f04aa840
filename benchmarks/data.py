"""Where the data sets lie, and their archives unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from twinlens.errors import DataError

ROOT = Path(__file__).parent.parent
CACHE = Path(__file__).parent / "cache"
VARIABLE = "TWINLENS_DATA"
MOST_BYTES = 4 * 2**30
"""An archive that unpacks to more than this is taken for a bomb."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder of data sets, as zip archives; they are unpacked into a cache when first asked for.

    Attributes:
        path: the folder.
        cache: where archives are unpacked.
    """

    path: Path
    cache: Path = CACHE

    @classmethod
    def find(cls, given: Path | None = None) -> DataFolder:
        """The folder given, else $TWINLENS_DATA, else ../shared/data beside the repository.

        Raises:
            DataError: there is no such folder.
        """
        from_environment = os.environ.get(VARIABLE)
        chosen = given or Path(from_environment or ROOT.parent / "shared" / "data")
        if not chosen.is_dir():
            raise DataError(
                f"The data must be a folder. Got {chosen}, which is none. "
                f"Name one with --data or ${VARIABLE}; docs/benchmarks.md says what it holds."
            )
        return cls(chosen)

    def unpacked(self, name: str) -> Path:
        """The folder that holds what an archive contains, e.g. "images/omniglot_background.zip".

        Unpacked once; the folder is keyed by the archive's content, and appears whole or not at
        all. Where everything lies in one outer folder, that is the one returned.

        Raises:
            DataError: no such archive, or one that is damaged or unsafe.
        """
        archive = self.path / name
        if not archive.is_file():
            raise DataError(
                f"{name} must lie in the data folder {self.path}. Got none. Put it there."
            )
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        target = self.cache / f"{archive.stem}-{digest[:12]}"
        if not target.is_dir():
            self.cache.mkdir(parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix=f"{archive.stem}-", dir=self.cache))
            try:
                unpack(archive, place)
                place.rename(target)
            finally:
                shutil.rmtree(place, ignore_errors=True)
        inside = list(target.iterdir())
        return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip archive whose members all stay inside `target`.

    Raises:
        DataError: it is damaged, too large, or a member leads outside or is a link.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            for member in members:
                _require_inside(archive, member)
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise DataError(
                    f"{archive.name} must unpack to at most {MOST_BYTES:,} bytes. Got more. "
                    "Look at where it comes from."
                )
            opened.extractall(target)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{archive.name} must be a zip archive. Got a damaged one ({error}). Fetch it again."
        ) from error


def _require_inside(archive: Path, member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(
            f"{archive.name} must hold only files that stay inside it. Got {member.filename!r}. "
            "Look at where it comes from."
        )
