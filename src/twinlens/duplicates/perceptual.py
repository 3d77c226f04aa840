"""What is left of a picture after most changes of a whole picture, in 64 bits.

Source:
    pHash: Zauner. Implementation and benchmarking of perceptual image hash functions. Thesis,
    University of Applied Sciences Upper Austria, 2010 (phash.org). The bits are those of the
    library ImageHash, but for one or two where two waves are nearly equal: the picture is made
    smaller in two steps, which takes half the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image
from scipy.fft import dct

from twinlens.modalities.decode import to_grey
from twinlens.types import BoolArray, IntArray

BITS = 64
_SIDE, _LOW = 32, 8
"""Pixels that are transformed, and coefficients that are kept, each way."""
_WAVES = np.asarray(dct(np.eye(_SIDE), axis=0))[:_LOW]  # [8, 32], along one side
_GAP = 2.0
"""How many times the last size a picture is roughly brought to first (Pillow's reducing_gap)."""
_FLAT = 2.0
"""Deviation of grey levels (of 255) under which the bits would be of grain and nothing else."""
_ROWS, _COLUMNS = 256, 2048
"""Hashes compared at once: what fits a processor's cache."""


def perceptual_hash(picture: Image.Image) -> str:
    """Which of its coarse waves are stronger than most, as 16 hexadecimal digits.

    Copies that were scaled, compressed, recoloured, lit or blurred differ in few of 64 bits; cut,
    turned and mirrored ones mostly in as many as strangers do, about half.

    Args:
        picture: of any mode; as it is seen, so transparency is laid on white.

    Returns:
        "" where the bits would tell nothing: of a flat picture, and of one that lacks half of the
        waves, as stripes and gradients do.

    Raises:
        DataError: it has values that are not finite.

    Source:
        Zauner 2010, the hash by DCT, as ImageHash computes it: the grey picture, 32 × 32; its
        DCT-II; of the 8 × 8 lowest coefficients, that of the mean included, those above their
        median.
    """
    size = (_SIDE, _SIDE)
    small = to_grey(picture).resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)
    grey = np.asarray(small, np.float64)  # [32, 32]
    if grey.std() < _FLAT:
        return ""
    low = (_WAVES @ grey @ _WAVES.T).round(6)  # a wave that is not there is 0, not a little
    if np.count_nonzero(low) <= BITS // 2:
        return ""
    return np.packbits(low > np.median(low)).tobytes().hex()  # [8, 8] -> 16 digits


def coarse_hash(picture: Image.Image) -> BoolArray:
    """Whether each of 8 × 8 parts is brighter than the one beside it. [64] bool.

    What a model knows the pictures by that it was trained on, so it stays as it is.

    Source:
        Krawetz. Kind of like that. The Hacker Factor Blog, 2013 (dHash).
    """
    grey = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    return (np.diff(grey, axis=1) > 0).ravel()  # [8, 8] -> [64]


class Hashes:
    """The hashes of pictures, by position, and from how few differing bits on they are copies.

    Args:
        texts: of `perceptual_hash`; what has none is near nothing.
        distance: bits of 64 in which copies differ at most; -1 = nothing is a copy.
    """

    def __init__(self, texts: Sequence[str], distance: int) -> None:
        self.distance = distance
        self.known: BoolArray = np.array([text != "" for text in texts], np.bool_)  # [n]
        self.codes = np.array([int(text or "0", 16) for text in texts], np.uint64)  # [n]

    def close(self, left: Sequence[int] | IntArray, right: Sequence[int] | IntArray) -> BoolArray:
        """Whether each on the left is within the distance of each on the right. [left, right]."""
        apart = np.bitwise_count(self.codes[left][:, None] ^ self.codes[right][None])
        both = self.known[left][:, None] & self.known[right][None]
        return both & (apart <= self.distance)

    def near(self, most: int) -> Iterator[tuple[int, int]]:
        """Pairs within the distance, each once, the earlier first.

        Each is compared with each, block by block: exact at any distance, and of a hundred
        thousand no slower than an index of parts of the hashes (FAISS's IndexBinaryMultiHash).

        Args:
            most: pairs of each with those after it, the nearest, so that a thousand blank forms
                do not make a million pairs.
        """
        if self.distance < 0:
            return
        places = np.flatnonzero(self.known)
        codes = self.codes[places]
        for top in range(0, len(codes), _ROWS):
            rows = codes[top : top + _ROWS, None]
            limit = np.full(len(rows), self.distance + 1, np.uint8)  # bits, what is found is under
            best = np.zeros((0, 3), np.int64)
            for start in range(top, len(codes), _COLUMNS):
                apart = np.bitwise_count(rows ^ codes[None, start : start + _COLUMNS])
                close = apart < limit[:, None]
                if not close.any():
                    continue
                a, b = divmod(np.flatnonzero(close), close.shape[1])
                hits = np.stack([a, apart[a, b], start + b], axis=1)  # [hits, 3]
                best = np.concatenate([best, hits[hits[:, 2] > top + hits[:, 0]]])
                best, full = _nearest(best, most)
                limit[full[:, 0]] = full[:, 1]
            yield from zip(
                places[top + best[:, 0]].tolist(), places[best[:, 2]].tolist(), strict=True
            )


def _nearest(hits: IntArray, most: int) -> tuple[IntArray, IntArray]:
    """Up to so many of each row, the nearest, the earlier of equal ones; and the last of the full.

    Args:
        hits: (row, bits apart, column) of each. [hits, 3]
    """
    row, apart, column = hits.T
    span = int(column.max(initial=0)) + 1
    keys = np.sort((row * (BITS + 1) + apart) * span + column)  # as one number: many may be equal
    rest, column = np.divmod(keys, span)
    row, apart = np.divmod(rest, BITS + 1)
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    hits = np.stack([row, apart, column], axis=1)
    return hits[rank < most], hits[rank == most - 1]
