"""Pictures out of nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from twinlens.duplicates.generated import generated, write_generated
from twinlens.duplicates.perceptual import coarse_hash


def test_pictures_differ_and_come_again(tmp_path: Path) -> None:
    write_generated(tmp_path / "pictures", 12)
    files = sorted((tmp_path / "pictures").iterdir())
    assert len(files) == 12
    pictures = [Image.open(file) for file in files]
    assert {picture.mode for picture in pictures} == {"RGB"}
    assert {max(picture.size) for picture in pictures} == {192}
    assert len({picture.size for picture in pictures}) > 4
    hashes = np.array([coarse_hash(picture) for picture in pictures])
    apart = (hashes[:, None] != hashes[None]).sum(axis=2)[np.triu_indices(12, 1)]
    assert apart.min() >= 10  # none is taken for a copy of another
    write_generated(tmp_path / "again", 3)
    for file in files[:3]:
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_detail_falls_off_with_its_fineness() -> None:
    def power(picture: Image.Image) -> np.ndarray:
        grey = np.asarray(picture.convert("L").resize((128, 128)), np.float64)
        spectrum = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
        bands = [(0.01, 0.03), (0.03, 0.1), (0.1, 0.3)]
        return np.array([spectrum[(frequency > a) & (frequency <= b)].mean() for a, b in bands])

    for seed in range(4):
        coarse, middle, fine = power(generated(np.random.default_rng(seed)))
        assert coarse > 3 * middle > 9 * fine
