"""Peak memory of a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.train_memory import measure, peak_rss_mb
from twinlens.errors import TrainingError

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)


def test_the_peak_stays_after_the_memory_is_freed() -> None:
    script = (
        "import numpy as np; from benchmarks.train_memory import peak_rss_mb\n"
        "before = peak_rss_mb(); held = np.ones(10 * 2**20); del held\n"  # 84 MB of 10^6 bytes
        "print(peak_rss_mb() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(84, abs=10)


def test_the_peak_is_in_megabytes() -> None:
    assert 20 < peak_rss_mb() < 20_000
    assert np.isfinite(peak_rss_mb())


def test_a_training_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"end well.*exit 1.*Data"):
        measure(tmp_path / "none", 5, [])
