"""Peak memory of training, from reading the folder to the saved model with its evidence.

Each training runs in a process of its own, whose peak resident set the kernel keeps (VmHWM in
/proc/self/status). It counts the interpreter, torch, and mapped pages of the decode cache.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.data import ROOT
from benchmarks.pictures import write_pictures
from benchmarks.record import Metric, Options, Result
from twinlens.config import load_config
from twinlens.errors import TrainingError
from twinlens.fit import fit

GOAL_MB = 1500.0
STEPS = 300
SIDE = 64
CLASSES = 1000
EXAMPLES = 100


def run(options: Options) -> Result:
    """Train on Omniglot by the defaults, and on 100,000 pictures at their own size."""
    steps = 20 if options.quick else STEPS
    classes = 30 if options.quick else CLASSES
    omniglot = options.data.unpacked("images/omniglot_background.zip")
    options.data.cache.mkdir(parents=True, exist_ok=True)
    many = Path(tempfile.mkdtemp(prefix="pictures-", dir=options.data.cache))
    try:
        write_pictures(many, classes=classes, examples=EXAMPLES, side=SIDE)
        found = {
            "omniglot": measure(omniglot, steps, []),
            "many": measure(many, steps, [f"modality.size={SIDE}"]),
        }
    finally:
        shutil.rmtree(many)
    metrics = (
        _metric("peak_rss_mb_omniglot", found["omniglot"]),
        _metric(f"peak_rss_mb_{classes * EXAMPLES}_pictures", found["many"]),
    )
    return Result(metrics, details={"steps": steps, "trainings": found})


def measure(data: Path, steps: int, settings: list[str]) -> dict[str, Any]:
    """Train in a child process with an empty decode cache.

    Returns:
        peak_rss_mb, helpers_peak_rss_mb (the largest process it started itself), examples.

    Raises:
        TrainingError: the child failed; with its last words.
    """
    with tempfile.TemporaryDirectory() as place:
        arguments = [str(data), str(Path(place) / "model"), f"train.steps={steps}"]
        arguments += [f"data.cache={json.dumps(str(Path(place) / 'cache'))}", *settings]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.train_memory", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise TrainingError(f"The training must end well. Got exit {done.returncode}: {last[0]}")
    return json.loads(done.stdout)


def train_here(data: Path, out: Path, settings: list[str]) -> dict[str, Any]:
    """Train in this process and say what it took."""
    bundle = fit(data, out, config=load_config(None, settings))
    return {
        "peak_rss_mb": peak_rss_mb(),
        "helpers_peak_rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6,
        "training": bundle.evidence["training"],
    }


def peak_rss_mb() -> float:
    """The largest resident set that this process has had, in MB of 10^6 bytes. Linux only.

    Unlike getrusage's figure, the kernel's VmHWM does not start at what the parent process held.

    Raises:
        TrainingError: the kernel does not tell.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise TrainingError("Peak memory must be told by /proc/self/status. Got none. Run on Linux.")


def _metric(key: str, found: dict[str, Any]) -> Metric:
    peak = found["peak_rss_mb"] + found["helpers_peak_rss_mb"]
    return Metric(key, peak, "MB", direction="lower", goal=GOAL_MB)


if __name__ == "__main__":
    given, target, *changes = sys.argv[1:]
    print(json.dumps(train_here(Path(given), Path(target), changes)))
