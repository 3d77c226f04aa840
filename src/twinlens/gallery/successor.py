"""Templates by another model, beside those of now, in the tables of a gallery."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from twinlens.gallery.changes import changed, store_templates
from twinlens.gallery.cipher import Cipher
from twinlens.gallery.entries import Space, Vectors


class Successor:
    """The model that is to follow, inside transactions and snapshots that are open."""

    def __init__(self, db: sqlite3.Connection, cipher: Cipher | None) -> None:
        self._db = db
        self._cipher = cipher

    def begin(self, space: Space) -> None:
        """Go on with this space; what was brought for another is given up."""
        if self.space() == space:
            return
        self._clear()
        self._db.execute(
            "INSERT INTO successor VALUES (1, ?, ?, ?)",
            (space.fingerprint, space.dim, space.similarity),
        )

    def space(self) -> Space | None:
        """Of the model that is to follow; None where none is."""
        row = self._db.execute("SELECT fingerprint, dim, similarity FROM successor").fetchone()
        return None if row is None else Space(*row)

    def missing(self) -> int:
        """How many items it has no template of."""
        return self._db.execute(
            "SELECT count(*) FROM item WHERE id NOT IN (SELECT item FROM successor_template)"
        ).fetchone()[0]

    def waiting(self, *, after: int, most: int) -> list[int]:
        """Numbers of these above one, ascending."""
        rows = self._db.execute(
            "SELECT id FROM item WHERE id > ? AND id NOT IN (SELECT item FROM successor_template) "
            "ORDER BY id LIMIT ?",
            (after, most),
        )
        return [item for (item,) in rows]

    def bring(self, ids: Sequence[int], vectors: Vectors) -> None:
        """Store templates of items, [n, dim]; of those that are gone, nothing."""
        rows = self._db.execute(
            "SELECT id FROM item WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        there = {item for (item,) in rows}
        kept = [place for place, item in enumerate(ids) if item in there]
        chosen = [ids[place] for place in kept]
        store_templates(self._db, "successor_template", chosen, vectors[kept], self._cipher)

    def succeed(self) -> None:
        """Put its templates in the place of all that are there."""
        space = self.space()
        assert space is not None  # `begin` has seen to it
        self._db.execute("DELETE FROM template")
        self._db.execute("INSERT INTO template SELECT * FROM successor_template")
        self._db.execute(
            "UPDATE gallery SET fingerprint = ?, dim = ?, similarity = ?",
            (space.fingerprint, space.dim, space.similarity),
        )
        changed(self._db, "migrate", {"model": space.fingerprint})
        self._clear()

    def _clear(self) -> None:
        self._db.execute("DELETE FROM successor_template")
        self._db.execute("DELETE FROM successor")
