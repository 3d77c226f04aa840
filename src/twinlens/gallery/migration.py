"""A gallery taken over to another model: all of its templates at once, or none.

Templates by the new model are brought beside those of now, in batches that survive a kill, while
the gallery is searched, filled and emptied as before. Once none is missing, they take the place of
the old ones in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from twinlens.errors import GalleryError
from twinlens.gallery import cache_file
from twinlens.gallery.cipher import Cipher
from twinlens.gallery.database import WAIT_S
from twinlens.gallery.entries import Item, Space, Vectors
from twinlens.gallery.store import NAME, Store


class Migration:
    """Begun, or gone on with where it was cut short; use it as a context manager.

    One that was begun for another model is given up for this one.

    Args:
        path: of the gallery.
        space: of the new model.
        wait_s: how long to wait for another writer.
        cipher: with the key of the gallery, where it is encrypted.

    Raises:
        GalleryError: it is no gallery, is damaged, or is of that model already.
    """

    def __init__(
        self,
        path: Path | str,
        space: Space,
        *,
        wait_s: float = WAIT_S,
        cipher: Cipher | None = None,
    ) -> None:
        self.path = Path(path)
        self._store = Store(self.path / NAME, wait_s=wait_s, cipher=cipher)
        try:
            if self._store.space == space:
                raise GalleryError(
                    f"{path} must be of another model than the one it is taken over to. Got "
                    f"{space.fingerprint} for both. Nothing is to be done."
                )
            with self._store.explained(), self._store.transaction():
                self._store.successor.begin(space)
        except BaseException:
            self._store.close()
            raise

    def __enter__(self) -> Migration:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.close()

    def missing(self) -> int:
        """How many items have no template by the new model yet."""
        with self._store.explained(), self._store.snapshot():
            return self._store.successor.missing()

    def waiting(self, *, after: int, most: int) -> list[Item]:
        """Items without one, ascending, above a number."""
        with self._store.explained(), self._store.snapshot():
            ids = self._store.successor.waiting(after=after, most=most)
            found = self._store.items(ids)
        return [found[item] for item in ids]

    def bring(self, ids: Sequence[int], vectors: Vectors) -> None:
        """Store templates by the new model, [n, dim]; those of items that are gone are left out.

        Raises:
            GalleryError: the disk is full, or another writer does not come to an end.
        """
        with self._store.explained(), self._store.transaction():
            self._store.successor.bring(ids, vectors)

    def finish(self, *, without: Sequence[int] = ()) -> bool:
        """Let the new templates take the place of the old, of which no trace is left.

        Args:
            without: items to be removed, as they cannot be taken over.

        Returns:
            False, and nothing has changed, where items were enrolled meanwhile: bring those too.

        Raises:
            GalleryError: the disk is full, or another writer does not come to an end.
        """
        with self._store.explained():
            with self._store.transaction():
                waiting = self._store.successor.waiting(after=0, most=len(without) + 1)
                if not set(waiting) <= set(without):
                    return False
                if waiting:
                    self._store.remove(waiting)
                self._store.successor.succeed()
                # before the commit, as it must not outlive what it holds
                cache_file.delete(self.path / cache_file.NAME)
            self._store.erase()
        return True
