"""Figures on real data, against goals and published anchors: `python -m benchmarks --help`.

A benchmark is a file here with a function `run(options: Options) -> Result`; its name stands in
`benchmarks.catalogue`. `record` turns a result into a file under `results/`, `table` shows all.
"""

import os

# for every framework alike, before PyTorch is imported: see twinlens.cli
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
