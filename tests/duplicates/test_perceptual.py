"""A hash that changes of a whole picture leave nearly as it is."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from scipy.fft import dct

from twinlens.duplicates.generated import generated
from twinlens.duplicates.perceptual import BITS, Hashes, perceptual_hash
from twinlens.duplicates.transforms import TRANSFORMS, altered
from twinlens.errors import DataError
from twinlens.types import IntArray

DISTANCE = 8
PICTURES = 12


def picture(seed: int) -> Image.Image:
    return generated(np.random.default_rng(seed))


def apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def brute(codes: list[int], distance: int) -> set[tuple[int, int]]:
    return {
        (a, b)
        for a, b in itertools.combinations(range(len(codes)), 2)
        if (codes[a] ^ codes[b]).bit_count() <= distance
    }


def hashes_of(codes: list[int], distance: int) -> Hashes:
    return Hashes([f"{code:016x}" for code in codes], distance)


def crowded(count: int, seed: int = 0) -> list[int]:
    """Codes of which most have some near them, within few bits and not so few, or equal ones."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (max(1, count // 6), BITS))[
        rng.integers(0, max(1, count // 6), count)
    ]
    flips = rng.random((count, BITS)) < rng.choice([0, 0.03, 0.08], count)[:, None]
    packed: IntArray = np.packbits(bits.astype(bool) ^ flips, axis=1)
    return [int(row.tobytes().hex(), 16) for row in packed]


def test_the_bits_are_coarse_waves_above_their_median() -> None:
    small = picture(1).convert("L").resize((32, 32))
    waves = dct(dct(np.asarray(small, float), axis=0), axis=1)[:8, :8]
    bits = "".join("01"[int(wave > np.median(waves))] for wave in waves.ravel())
    assert perceptual_hash(small) == f"{int(bits, 2):016x}"
    assert bits.count("1") == 32


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_hash_of_a_library(seed: int) -> None:
    imagehash = pytest.importorskip("imagehash")
    one = picture(seed)
    for page in (one, one.convert("L"), one.convert("RGBA")):
        small = page.resize((63, 40))  # not so large that it is made smaller in two steps
        assert perceptual_hash(small) == str(imagehash.phash(small))
    assert apart(perceptual_hash(one), str(imagehash.phash(one))) <= 2  # of waves nearly equal


@pytest.mark.parametrize("change", ["resize", "jpeg", "colour", "light", "blur", "watermark"])
def test_a_change_of_the_whole_picture_leaves_it_near(change: str) -> None:
    assert change in TRANSFORMS
    rng = np.random.default_rng(0)
    for seed in range(PICTURES):
        one = picture(seed)
        file = io.BytesIO()
        altered(one, change, 0.33, rng).save(file, "JPEG", quality=80)
        assert apart(perceptual_hash(one), perceptual_hash(Image.open(file))) <= DISTANCE


def test_strangers_and_mirrored_copies_are_far() -> None:
    texts = [perceptual_hash(picture(seed)) for seed in range(40)]
    strangers = [apart(a, b) for a, b in itertools.combinations(texts, 2)]
    assert min(strangers) > DISTANCE
    assert 30 < np.mean(strangers) < 34
    mirrored = [perceptual_hash(ImageOps.mirror(picture(seed))) for seed in range(PICTURES)]
    assert min(map(apart, texts, mirrored)) > DISTANCE


def test_a_flat_picture_has_none() -> None:
    rng = np.random.default_rng(0)
    grain = np.clip(rng.normal(128, 20, (300, 200, 3)), 0, 255).astype(np.uint8)
    for page in (
        Image.new("RGB", (90, 60), "white"),
        Image.new("L", (1, 1)),
        Image.fromarray(grain),  # averages out
    ):
        assert perceptual_hash(page) == ""
    faint = picture(0).convert("L").point(lambda level: 120 + level // 16)
    assert perceptual_hash(faint) != ""


def test_a_picture_that_lacks_half_of_the_waves_has_none() -> None:
    """Of stripes, most bits are alike whatever they show."""
    rng = np.random.default_rng(0)
    bars = np.tile(rng.choice([0, 255], 95).repeat(3).astype(np.uint8), (100, 1))
    slope = np.tile(np.linspace(100, 150, 200).astype(np.uint8), (100, 1))
    for pixels in (bars, bars.T, slope):
        assert perceptual_hash(Image.fromarray(np.ascontiguousarray(pixels))) == ""


def test_it_sees_what_is_shown() -> None:
    """16 bits a pixel are not cut off at 255, and what is transparent does not count."""
    grey = np.asarray(picture(2).convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert perceptual_hash(deep) == perceptual_hash(Image.fromarray(grey))
    floats = Image.fromarray((grey / 255).astype(np.float32))
    assert perceptual_hash(floats) == perceptual_hash(Image.fromarray(grey))
    shown: list[str] = []
    for part in (slice(None, 60), slice(60, None)):
        pixels = np.array(picture(3).convert("RGBA").resize((120, 120)))
        pixels[:, part, 3] = 0
        shown.append(perceptual_hash(Image.fromarray(pixels)))
    assert apart(*shown) > DISTANCE
    half = grey.copy()
    half[:, 40:] = 0
    clear = Image.fromarray(half)
    clear.info["transparency"] = 0  # one level of grey, as a PNG may have it
    assert perceptual_hash(clear) == perceptual_hash(Image.fromarray(np.where(half, half, 255)))
    assert perceptual_hash(clear) != perceptual_hash(Image.fromarray(half))
    with pytest.raises(DataError, match="finite"):
        perceptual_hash(Image.fromarray(np.full((40, 40), np.nan, np.float32)))


def test_what_has_none_is_near_nothing() -> None:
    hashes = Hashes(["", "", "00" * 8, "00" * 8, ""], BITS)
    assert list(hashes.near(9)) == [(2, 3)]
    assert hashes.close([0, 2], [1, 2, 3]).tolist() == [[False] * 3, [False, True, True]]
    assert list(Hashes([], DISTANCE).near(9)) == []


@pytest.mark.parametrize("distance", [0, 3, 8, 11, 20])
def test_pairs_are_those_of_comparing_all_with_all(
    distance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinlens.duplicates.perceptual._ROWS", 7)
    monkeypatch.setattr("twinlens.duplicates.perceptual._COLUMNS", 16)
    codes = crowded(120)
    expected = brute(codes, distance)
    assert len(expected) > 20
    hashes = hashes_of(codes, distance)
    found = list(hashes.near(len(codes)))
    assert len(found) == len(set(found))
    assert set(found) == expected
    everyone = range(len(codes))
    a, b = np.nonzero(np.triu(hashes.close(everyone, everyone), 1))
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == expected


def test_codes_of_one_block_and_of_several_are_found() -> None:
    codes = [int(code) for code in np.random.default_rng(0).integers(0, 2**63, 5000)]
    codes[4900], codes[4999], codes[300] = codes[10] ^ 0b1011, codes[4998], codes[2] ^ 1 << 63
    assert set(hashes_of(codes, DISTANCE).near(20)) == {(10, 4900), (4998, 4999), (2, 300)}


@given(st.integers(0, 99), st.integers(1, 6), st.integers(0, 14))
def test_of_many_the_nearest_of_those_that_follow_are_taken(
    seed: int, most: int, distance: int
) -> None:
    codes = crowded(40, seed)
    every = brute(codes, distance)
    expected: set[tuple[int, int]] = set()
    for a in range(len(codes)):
        after = [b for one, b in every if one == a]
        after.sort(key=lambda b: ((codes[a] ^ codes[b]).bit_count(), b))
        expected |= {(a, b) for b in after[:most]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("twinlens.duplicates.perceptual._ROWS", 9)
        patch.setattr("twinlens.duplicates.perceptual._COLUMNS", 11)
        assert set(hashes_of(codes, distance).near(most)) == expected


def test_a_thousand_equal_hashes_make_few_pairs_that_hold_together() -> None:
    pairs = list(Hashes(["0f" * 8] * 1000, DISTANCE).near(20))
    assert len(pairs) == 20 * 1000 - 20 * 21 // 2
    assert {(a, a + 1) for a in range(999)} <= set(pairs)


def test_at_minus_one_nothing_is_a_copy() -> None:
    hashes = Hashes(["0f" * 8] * 3, -1)
    assert list(hashes.near(20)) == []
    assert not hashes.close(range(3), range(3)).any()
