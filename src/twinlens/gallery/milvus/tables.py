"""Collections of a Milvus: connecting, reading what was last written, errors that say what to do.

No text of a user is ever part of a filter: what is filtered by is stored as a hash, so a filter is
made of names of fields, numbers and hexadecimal digits. The package pymilvus ends here.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from twinlens.errors import GalleryError
from twinlens.gallery.entries import Space, Vectors

TIMEOUT_S = 10.0
"""How long a request may take."""
_MAKE_S = 60.0
"""How long a collection may take to be made, or to be brought to memory."""
MOST = 16_384
"""Rows that Milvus gives for one query, and hits for one search."""
TEXT_BYTES = 65_535
"""The longest text that Milvus stores."""
HASH_DIGITS = 32
AT_ONCE = 1024
"""Rows written or named in one request."""
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,200}")
_MOST_HITS = 100_000
"""Asked for in one request."""
_MOST_LABELS = 1024
_LINKS, _BUILD_EFFORT, _LEAST_EFFORT = 32, 100, 128
"""Of the graph that Milvus searches; see `index`."""

Row = dict[str, Any]


class Milvus:
    """A connection.

    Args:
        uri: "http://host:port", or a local file that ends in ".db" (Milvus Lite).
        token: "user:password" or a key, where the server asks for one.

    Raises:
        GalleryError: the package is missing, or the server does not answer or refuses.
    """

    def __init__(self, uri: str, token: str | None = None) -> None:
        self.uri = uri
        self._library, errors = _pymilvus(uri)
        self._errors = errors
        with self.explained():
            self.client: Any = self._library.MilvusClient(uri, token=token or "", timeout=TIMEOUT_S)

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    @contextmanager
    def explained(self) -> Generator[None, None, None]:
        """A block in which errors of Milvus say what to do.

        Raises:
            GalleryError: always in place of an error of Milvus.
        """
        try:
            yield
        except self._errors as error:
            raise GalleryError(_told(self.uri, error)) from error

    def has(self, name: str) -> bool:
        """Whether there is a collection of that name.

        Raises:
            GalleryError: no collection can have it.
        """
        if not _NAME.fullmatch(name):
            raise GalleryError(
                "The name of a collection must be a letter and then up to 200 letters, digits and "
                f"underscores. Got {name!r}. Choose another."
            )
        with self.explained():
            return self.client.has_collection(name, timeout=TIMEOUT_S)

    def make_items(self, name: str, space: Space) -> None:
        """A collection for the items of a space."""
        kinds = self._library.DataType
        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", kinds.INT64, is_primary=True)
        schema.add_field("vector", kinds.FLOAT_VECTOR, dim=space.dim)
        schema.add_field("content", kinds.VARCHAR, max_length=HASH_DIGITS)
        schema.add_field("identity", kinds.VARCHAR, max_length=HASH_DIGITS)
        schema.add_field(
            "labels",
            kinds.ARRAY,
            element_type=kinds.VARCHAR,
            max_capacity=_MOST_LABELS,
            max_length=HASH_DIGITS,
        )
        schema.add_field("entry", kinds.VARCHAR, max_length=TEXT_BYTES)
        index = self.client.prepare_index_params()
        index.add_index(
            "vector",
            index_type="HNSW",
            metric_type="L2" if space.similarity == "euclidean" else "IP",
            params={"M": _LINKS, "efConstruction": _BUILD_EFFORT},
        )
        index.add_index("content", index_type="INVERTED")
        index.add_index("identity", index_type="INVERTED")
        self._make(name, schema, index)

    def make_log(self, name: str) -> None:
        """A collection of numbered texts."""
        kinds = self._library.DataType
        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("number", kinds.INT64, is_primary=True)
        schema.add_field("text", kinds.VARCHAR, max_length=TEXT_BYTES)
        schema.add_field("unused", kinds.FLOAT_VECTOR, dim=2)  # Milvus wants a vector in each
        index = self.client.prepare_index_params()
        index.add_index("unused", index_type="FLAT", metric_type="L2")
        self._make(name, schema, index)

    def _make(self, name: str, schema: Any, index: Any) -> None:
        with self.explained():
            # one shard, so that a request is written whole or not at all
            self.client.create_collection(
                name,
                schema=schema,
                num_shards=1,
                consistency_level="Strong",
                timeout=_MAKE_S,
            )
            # nothing is there to be indexed, so nothing to wait for
            self.client.create_index(name, index, timeout=_MAKE_S, sync=False)

    def drop(self, name: str) -> None:
        """Remove a collection and all that it holds, if it is there."""
        with self.explained():
            self.client.drop_collection(name, timeout=TIMEOUT_S)


class Table:
    """One collection, which each reading sees as it was last written.

    Args:
        milvus: that it is in.
        name: of the collection.
        key: its field of numbers that name a row.
    """

    def __init__(self, milvus: Milvus, name: str, key: str) -> None:
        self._milvus, self._name, self._key = milvus, name, key
        with milvus.explained():
            milvus.client.load_collection(name, timeout=_MAKE_S)

    def put(self, rows: Sequence[Row]) -> None:
        """Write rows in one request; one of the same number is replaced, so it can be repeated."""
        with self._milvus.explained():
            self._milvus.client.upsert(self._name, list(rows), timeout=TIMEOUT_S)

    def delete(self, wanted: str) -> None:
        """Delete the rows that a filter leaves."""
        with self._milvus.explained():
            self._milvus.client.delete(self._name, filter=wanted, timeout=TIMEOUT_S)

    def count(self, wanted: str) -> int:
        """How many rows a filter leaves."""
        return self._query(wanted, ["count(*)"], None)[0]["count(*)"]

    def rows(self, wanted: str, fields: Sequence[str], *, most: int = MOST) -> list[Row]:
        """Those that a filter leaves, in no order; at most so many."""
        return self._query(wanted, [self._key, *fields], most)

    def between(
        self,
        after: int,
        last: int,
        fields: Sequence[str],
        *,
        also: Sequence[str] = (),
        at_once: int = 8192,
    ) -> Iterator[list[Row]]:
        """Rows of the numbers above one up to another, ascending, so many numbers at a time."""
        for start in range(after, last, at_once):
            end = min(start + at_once, last)
            wanted = " and ".join([f"{self._key} > {start}", f"{self._key} <= {end}", *also])
            yield sorted(self.rows(wanted, fields), key=lambda row: row[self._key])

    def among(self, numbers: Sequence[int], fields: Sequence[str]) -> list[Row]:
        """Those of the rows of these numbers that are there."""
        found: list[Row] = []
        for start in range(0, len(numbers), AT_ONCE):
            found += self.rows(one_of(self._key, numbers[start : start + AT_ONCE]), fields)
        return found

    def search(self, queries: Vectors, k: int, wanted: str) -> list[list[tuple[int, float, str]]]:
        """(number, what Milvus measures, entry) of the nearest k of each query. [n, dim]."""
        found: list[list[tuple[int, float, str]]] = []
        at_once = max(1, min(AT_ONCE, _MOST_HITS // k))
        for start in range(0, len(queries), at_once):
            with self._milvus.explained():
                answers = self._milvus.client.search(
                    self._name,
                    list(queries[start : start + at_once]),
                    filter=wanted,
                    limit=k,
                    output_fields=["entry"],
                    search_params={"params": {"ef": max(_LEAST_EFFORT, 2 * k)}},
                    consistency_level="Strong",
                    timeout=TIMEOUT_S,
                )
            found += [
                [(hit["id"], hit["distance"], hit["entity"]["entry"]) for hit in answer]
                for answer in answers
            ]
        return found

    def _query(self, wanted: str, fields: list[str], most: int | None) -> list[Row]:
        limit = {} if most is None else {"limit": most}
        with self._milvus.explained():
            found = self._milvus.client.query(
                self._name,
                filter=wanted,
                output_fields=fields,
                consistency_level="Strong",
                timeout=TIMEOUT_S,
                **limit,
            )
        return [dict(row) for row in found]


def digest(*texts: str) -> str:
    """What texts are filtered by, 32 hex digits; other texts give others.

    >>> digest("a", "bc") == digest("ab", "c"), digest('" or id > 0').isalnum()
    (False, True)
    """
    hashed = hashlib.blake2b(digest_size=HASH_DIGITS // 2)
    for text in texts:
        data = text.encode()
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.hexdigest()


def one_of(field: str, values: Collection[int] | Collection[str]) -> str:
    """A filter that leaves rows with one of these numbers, or of these texts of `digest`.

    >>> one_of("id", [1, 2]), one_of("content", ["0a"])
    ('id in [1, 2]', 'content in ["0a"]')
    """
    return f"{field} in [{', '.join(_literal(value) for value in values)}]"


def labelled(where: Mapping[str, str] | None) -> list[str]:
    """Filters that leave rows with all of these texts."""
    return [
        f'array_contains(labels, "{digest(key, value)}")' for key, value in (where or {}).items()
    ]


def require_storable(name: str, text: str, labels: int = 0) -> None:
    """Check that Milvus can store what is known of a thing.

    Raises:
        GalleryError: it is longer.
    """
    size = len(text.encode())
    if size > TEXT_BYTES or labels > _MOST_LABELS:
        raise GalleryError(
            f"What Milvus is to keep of {name} must be at most {TEXT_BYTES:,} bytes and "
            f"{_MOST_LABELS:,} labels. Got {size:,} and {labels:,}. Shorten its metadata."
        )


def _literal(value: int | str) -> str:
    return str(int(value)) if not isinstance(value, str) else f'"{value}"'


def _pymilvus(uri: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """The package, and what it raises."""
    try:
        library = importlib.import_module("pymilvus")
        if uri.endswith(".db"):
            importlib.import_module("milvus_lite")
    except ImportError as error:
        raise GalleryError(
            f"A gallery in Milvus must have the package {error.name}. Got none. Install it: pip "
            "install twinlens[cluster]"
            f"{'' if error.name == 'pymilvus' else ', and milvus-lite for a local file'}."
        ) from error
    for name in ("pymilvus", "milvus_lite"):  # what they log is raised as well
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return library, (library.MilvusException, importlib.import_module("grpc").RpcError)


def _told(uri: str, error: Exception) -> str:
    reason = " ".join(str(getattr(error, "message", "") or error).split())
    if any(word in reason.lower() for word in ("auth", "permission", "privilege")):
        return (
            f"Milvus at {uri} must let in who asks. Got: {reason}. Set the environment variable "
            "TWINLENS_MILVUS_TOKEN to user:password, or to a key."
        )
    if "open local milvus failed" in reason.lower():
        return (
            f"{uri} must be a database of Milvus Lite that no other process has open. Got: "
            f"{reason}. End the other one, or correct the path; several processes need a server."
        )
    if any(word in reason.lower() for word in ("connect", "unavailable", "deadline", "timeout")):
        return (
            f"Milvus at {uri} must answer. Got: {reason}. Start it, or correct the address; what "
            "was not reported as done can be repeated."
        )
    return f"Milvus at {uri} must do what it is asked. Got: {reason}. See the log of the server."
