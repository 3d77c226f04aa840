"""The log of a gallery in Milvus, its head, and whose turn it is to write.

One collection of numbered texts: the head at 0, the entries of the log above, and below the claims
of those who want to write.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from twinlens.errors import GalleryError
from twinlens.gallery import log
from twinlens.gallery.entries import Space
from twinlens.gallery.milvus.tables import Row, Table, require_storable

ABANDONED_S = 30.0
"""A claim that stays as it is for this long is of a writer that died."""
RENEW_S = 5.0
"""How often a writer gives a sign of life."""
WAIT_S = 45.0
"""How long a writer waits for its turn."""
_FORMAT = 1
_AT_ONCE = 256
"""Entries read in one request."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a gallery is and how far it has come; written with the entry of the log it belongs to.

    Attributes:
        space: of the model.
        logs_searches: whether searches are logged.
        entries: how many the log has.
        mark: of the last one, in hex.
        changed: number of the last entry that changed items.
        given: the last number given to an item; what has a greater one is of a batch that was not
            finished.
        keys: names of the metadata that any item has had.
        leaving: how many of the last entries are removals that are perhaps not done.
    """

    space: Space
    logs_searches: bool
    entries: int = 0
    mark: str = log.FIRST_MARK.hex()
    changed: int = 0
    given: int = 0
    keys: tuple[str, ...] = ()
    leaving: int = 0


class Journal:
    """The log of one gallery.

    Args:
        table: that holds it.
        place: of the gallery, for messages.
    """

    def __init__(self, table: Table, place: str) -> None:
        self._table = table
        self._place = place

    def head(self) -> Head:
        """As it is now.

        Raises:
            GalleryError: there is none, or it is of another version.
        """
        rows = self._table.among([0], ["text"])
        facts: dict[str, Any] = json.loads(rows[0]["text"]) if rows else {}
        if facts.pop("format", None) != _FORMAT:
            raise GalleryError(
                f"{self._place} must be a gallery of format {_FORMAT}. Got another, or one that "
                "was never finished. Make one: twinlens gallery create."
            )
        space = Space(**facts.pop("space"))
        keys = tuple(facts.pop("keys"))
        return Head(space=space, keys=keys, **facts)

    def keep(self, head: Head) -> None:
        """Write the head alone."""
        self._table.put([self._head_row(head)])

    def append(self, head: Head, action: log.Action, details: Sequence[Mapping[str, Any]]) -> Head:
        """Write entries and the head that goes with them, in one request. Returns the head.

        Args:
            head: of the last entry, with what the new ones change.
            action: that was done.
            details: of each entry.
        """
        new: list[Row] = []
        for one in details:
            row = log.row_after(head.entries, bytes.fromhex(head.mark), action, one)
            number, *_, mark = row
            new.append(_row(number, json.dumps([*row[:-1], mark.hex()])))
            changed = head.changed if action == "search" else number
            head = replace(head, entries=number, mark=mark.hex(), changed=changed)
        self._table.put([*new, self._head_row(head)])
        return head

    def rows(self, head: Head, *, newest: int | None = None) -> list[log.Row]:
        """Entries in order: all, or as many of the newest."""
        first = 0 if newest is None else max(0, head.entries - newest)
        found: list[log.Row] = []
        for part in self._table.between(first, head.entries, ["text"], at_once=_AT_ONCE):
            for row in part:
                number, at, by, action, details, mark = json.loads(row["text"])
                found.append((number, at, by, action, details, bytes.fromhex(mark)))
        return found

    @contextmanager
    def turn(self, *, wait_s: float = WAIT_S) -> Generator[Turn, None, None]:
        """A block in which no other machine writes.

        Whoever wants to write leaves a claim and looks whether it is the only one; if not, both
        take theirs back and try again later. As each looks after its own claim was written, two
        can never both find themselves alone.

        Raises:
            GalleryError: others write for too long.
        """
        turn = Turn(self._table, self._place)
        deadline = time.monotonic() + wait_s
        since: dict[str, float] = {}  # claims of others -> when they were first seen
        while not turn.taken():
            now = time.monotonic()
            claims = turn.others()
            since = {claim: since.get(claim, now) for claim in claims.values()}
            for number, claim in claims.items():
                if now - since[claim] > ABANDONED_S:
                    self._table.delete(f"number in [{number}]")
            if now > deadline:
                raise GalleryError(
                    f"{self._place} must be free to be written to. Got a turn that another writer "
                    "has held for too long. Wait until it is done, or stop it; nothing of this was "
                    "stored."
                )
            time.sleep(secrets.SystemRandom().uniform(0.01, 0.1))
        try:
            yield turn
        finally:
            with suppress(GalleryError):  # the others take it for abandoned after a while
                turn.give_back()

    def _head_row(self, head: Head) -> Row:
        text = json.dumps({"format": _FORMAT, **asdict(head)}, ensure_ascii=False)
        require_storable("all names of metadata", text)
        return _row(0, text)


class Turn:
    """A claim to be the only writer."""

    def __init__(self, table: Table, place: str) -> None:
        self._table = table
        self._place = place
        self._number = -1 - secrets.randbits(62)
        self._alive_at = 0.0

    def taken(self) -> bool:
        """Claim it; False when others do, too."""
        if self.others():
            return False
        self._claim()
        if not self.others():
            return True
        self.give_back()
        return False

    def others(self) -> dict[int, str]:
        """Claims of others: number -> what changes with each sign of life."""
        rows = self._table.rows("number < 0", ["text"])
        return {
            row["number"]: f"{row['number']} {row['text']}"
            for row in rows
            if row["number"] != self._number
        }

    def renew(self) -> None:
        """Give a sign of life where one is due; to be called before each request of a long write.

        Raises:
            GalleryError: others took this writer for dead, and may be writing.
        """
        # the time of day, as the other clock stands still while a machine sleeps
        if abs(time.time() - self._alive_at) < RENEW_S:
            return
        if not self._table.among([self._number], []):
            raise GalleryError(
                f"{self._place} must be written to without a long pause. Got one of more than "
                f"{ABANDONED_S:g} s, after which another writer may have gone on. Repeat it; what "
                "was stored is known then."
            )
        self._claim()

    def give_back(self) -> None:
        """Let others write."""
        self._table.delete(f"number in [{self._number}]")

    def _claim(self) -> None:
        self._alive_at = time.time()
        self._table.put([_row(self._number, secrets.token_hex(8))])


def _row(number: int, text: str) -> Row:
    return {"number": number, "text": text, "unused": [0.0, 0.0]}
