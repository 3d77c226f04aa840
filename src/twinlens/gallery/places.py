"""Where a gallery is kept: in its own folder, or elsewhere, as a file in the folder says.

    folder/store.toml   store = "milvus", uri, collection

The folder may be copied to other machines. A password is never in it.
"""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import tomli_w

from twinlens.atomic import new_folder
from twinlens.errors import ConfigError, GalleryError
from twinlens.gallery.cipher import Cipher
from twinlens.gallery.entries import Space
from twinlens.gallery.gallery import Gallery
from twinlens.gallery.interface import AnyGallery
from twinlens.gallery.live_index import Progress
from twinlens.gallery.milvus import MilvusGallery
from twinlens.types import Scorer

NAME = "store.toml"
TOKEN = "TWINLENS_MILVUS_TOKEN"
"""Environment variable with what Milvus lets in: user:password, or a key."""
_KIND = "milvus"


@dataclass(frozen=True, slots=True)
class MilvusPlace:
    """A collection of a Milvus.

    Attributes:
        uri: "http://host:port", or the path of a file of Milvus Lite, which ends in ".db".
        collection: its name.
    """

    uri: str
    collection: str

    @classmethod
    def new(cls, store: str, gallery: Path) -> MilvusPlace:
        """A place for a new gallery.

        Args:
            store: "milvus:" and the URI.
            gallery: its folder, after which the collection is named.

        Raises:
            ConfigError: it reads otherwise, or holds a password.
        """
        kind, colon, uri = store.partition(":")
        if kind != _KIND or not colon or not (uri.endswith(".db") or "://" in uri):
            raise ConfigError(
                "--store must read milvus: and then http://host:port, or a file of Milvus Lite "
                f"that ends in .db. Got {store!r}. Write as milvus:http://localhost:19530."
            )
        if "://" not in uri:
            uri = str(Path(uri).absolute())
        elif "@" in urlsplit(uri).netloc:
            raise ConfigError(
                "--store must hold no password, since it is written to a file. Got one before "
                f"the @. Set the environment variable {TOKEN} to user:password instead."
            )
        stem = re.sub(r"[^a-zA-Z0-9_]", "_", gallery.absolute().stem)[:100]
        return cls(uri, f"twinlens_{stem}_{secrets.token_hex(4)}")


def create_elsewhere(
    path: Path, place: MilvusPlace, space: Space, *, log_searches: bool = True
) -> MilvusGallery:
    """Make an empty gallery in a Milvus, and the folder that leads to it.

    Raises:
        WriteError: something is at `path`, or it cannot be written to.
        GalleryError: see `MilvusGallery.create`.
    """
    with new_folder(path) as folder:
        content = tomli_w.dumps({"store": _KIND, **asdict(place)})
        (folder / NAME).write_text(content, encoding="utf-8")
        return MilvusGallery.create(
            place.uri, place.collection, space, log_searches=log_searches, token=_token()
        )


def place_of(path: Path) -> MilvusPlace | None:
    """Where else the gallery of a folder is kept; None where it is in the folder.

    Raises:
        GalleryError: the file that says so is damaged.
    """
    try:
        facts = tomllib.loads((path / NAME).read_text(encoding="utf-8"))
        if facts.pop("store") != _KIND:
            raise ValueError("another kind of store")
        return MilvusPlace(**{key: str(value) for key, value in facts.items()})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalleryError(
            f"{path / NAME} must name store, uri and collection. Got a problem with {error}. Copy "
            "it from another machine that uses the gallery."
        ) from error


def open_any(
    path: Path,
    *,
    fingerprint: str | None = None,
    scorer: Scorer | None = None,
    progress: Progress | None = None,
    cipher: Cipher | None = None,
) -> AnyGallery:
    """Open the gallery of a folder, wherever it is kept.

    Args:
        path: folder.
        fingerprint: of the model that it is to be used with; a gallery of another is refused.
        scorer: the model, where only its own comparator can compare.
        progress: told of (templates taken up, all) while an index is made.
        cipher: with its key, where it is encrypted.

    Raises:
        GalleryError: it is missing, damaged, cannot be reached, or is of another model or key.
    """
    place = place_of(path)
    if place is None:
        return Gallery.open(
            path, fingerprint=fingerprint, scorer=scorer, progress=progress, cipher=cipher
        )
    if cipher is not None:
        require_in_folder(path, "encrypted with a key")
    return MilvusGallery.open(place.uri, place.collection, fingerprint=fingerprint, token=_token())


def require_in_folder(path: Path, done: str) -> None:
    """Check that a gallery is kept in its own folder.

    Args:
        path: folder.
        done: what is to be done to it, as "rebuilt".

    Raises:
        GalleryError: it is kept elsewhere.
    """
    place = place_of(path)
    if place is not None:
        raise GalleryError(
            f"A gallery must be kept in its own folder to be {done}. Got {path}, which is kept at "
            f"{place.uri}. Export it and import it into one that is."
        )


def _token() -> str | None:
    return os.environ.get(TOKEN)
