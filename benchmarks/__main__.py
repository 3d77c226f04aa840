"""`python -m benchmarks NAME`: run a benchmark, print its figures and keep them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.catalogue import BENCHMARKS, benchmark
from benchmarks.data import CACHE, DataFolder
from benchmarks.growth import IMAGES, draw_growth
from benchmarks.record import RESULTS, Options, Record, commit, record, save
from benchmarks.table import insert, markdown, saved
from twinlens.errors import TwinlensError


def main(arguments: Sequence[str] | None = None, *, results: Path = RESULTS) -> int:
    """Run what the command line asks for.

    Returns:
        0 = done, 1 = with --check, a metric is under its goal, 2 = bad use or input.
    """
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.name == "table":
        if args.into is not None:
            insert(args.into, markdown(saved(results)))
        else:
            print(markdown(saved(results)))
        return 0
    if args.name == "plots":
        place = draw_growth(saved(results), args.into or IMAGES)
        print(f"written to {place}")
        return 0
    try:
        made = _run(args.name, args)
    except TwinlensError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    # a quick run must not stand where a real figure is looked for
    path = save(made, CACHE / "quick" if args.quick else results)
    print(markdown([made]))
    print(f"\nwritten to {path}")
    short = [m.key for m in made.result.metrics if m.reached is False]
    if args.check and short:
        print(f"under the goal: {', '.join(short)}", file=sys.stderr)
        return 1
    return 0


def _run(name: str, args: argparse.Namespace) -> Record:
    run = benchmark(name)
    options = Options(DataFolder.find(args.data), args.seeds, args.quick, tuple(args.parts or ()))
    commit()
    started = time.perf_counter()
    result = run(options)
    return record(name, result, quick=args.quick, wall_s=time.perf_counter() - started)


def _parser() -> argparse.ArgumentParser:
    known = "\n".join(f"  {name:14}{what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Benchmarks:\n{known}\n  {'table':14}all recorded results as Markdown\n"
        f"  {'plots':14}how galleries and searches for copies grow, as pictures",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="a benchmark from the list, table or plots")
    parser.add_argument(
        "--data", type=Path, help="folder of data sets; $TWINLENS_DATA, then ../shared/data"
    )
    parser.add_argument("--seeds", type=_positive, help="repetitions")
    parser.add_argument("--quick", action="store_true", help="a short run; not kept with results")
    parser.add_argument("--parts", nargs="+", help="run some parts only, e.g. lake vinyals")
    parser.add_argument("--into", type=Path, help="page of the table, or folder of plots")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is not reached")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Got {text}.")
    return value


if __name__ == "__main__":
    sys.exit(main())
