"""The index of an open gallery, kept up with its store and, when that saves time, on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twinlens.gallery import cache_file
from twinlens.gallery.cache_file import Cached
from twinlens.gallery.index import Index
from twinlens.gallery.store import EMPTY, Store

_UNSAVED = 2000
"""Templates that the file may lack: as many are taken up in a third of a second."""

Progress = Callable[[int, int], None]


class LiveIndex:
    """Always of the state that the store is in when it is asked for.

    Args:
        store: the truth.
        folder: of the gallery.
        progress: told of (templates taken up, all) while the index is made.
    """

    def __init__(self, store: Store, folder: Path, progress: Progress | None) -> None:
        self._store = store
        self._file = folder / cache_file.NAME
        self._progress = progress
        self._cached: Cached | None = None
        self._on_disk: int | None = None  # templates in the file; None when it must be written

    def now(self) -> Cached:
        """The index of the state that is being read, inside a snapshot or a transaction.

        Raises:
            GalleryError: a template is damaged.
        """
        head = self._store.head()
        cached = self._cached
        if cached is not None and cached.head == head:
            return cached
        self._cached = None  # should this fail halfway
        cached = self._started(cached)
        self._take_up(cached)
        self._cached = Cached(cached.index, head)
        return self._cached

    def keep(self, *, wait_s: float | None = 0.0) -> None:
        """Write the file where it lacks much.

        Other writers are held off, so that nothing is written back that one of them removes.

        Raises:
            WriteError: the disk is full.
            sqlite3.Error: another process writes for longer than `wait_s`.
        """
        if self._cached is None:
            return
        with self._store.transaction(wait_s=wait_s):
            cached = self.now()
            count, on_disk = len(cached.index), self._on_disk
            if on_disk is None or count - on_disk >= min(_UNSAVED, 1 + on_disk // 10):
                cache_file.save(self._file, cached, self._store.cipher)
                self._on_disk = count

    def rebuild(self) -> int:
        """Make it anew and write it. Returns how many templates it holds."""
        self._cached, self._on_disk = Cached(Index(self._store.space), EMPTY), None
        self.keep(wait_s=None)
        return len(self._cached.index)

    def delete_file(self) -> None:
        """Until it is kept again, nothing is on disk; inside a transaction."""
        cache_file.delete(self._file)
        self._on_disk = None

    def _started(self, cached: Cached | None) -> Cached:
        """What to go on from: the index in memory, else the file, else nothing."""
        if cached is None:
            cached = cache_file.load(self._file, self._store.space, self._store.cipher)
            self._on_disk = None if cached is None else len(cached.index)
        if cached is None or not self._store.has_been(cached.head):
            self._on_disk = None
            return Cached(Index(self._store.space), EMPTY)
        return cached

    def _take_up(self, cached: Cached) -> None:
        """Bring an index from its state to the one that is being read."""
        index = cached.index
        removed = self._store.removed_since(cached.head.change)
        if len(removed) and len(index):
            index.remove(removed)
            self._on_disk = None  # the file holds what must be gone
        total = self._store.count() if self._progress is not None else 0
        for ids, vectors in self._store.vectors(after=index.last):
            index.add(ids, vectors)
            if self._progress is not None:
                self._progress(len(index), total)
