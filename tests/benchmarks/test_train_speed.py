"""What the speed benchmark makes of two sides' traces."""

from __future__ import annotations

import pytest

pytest.importorskip("pytorch_metric_learning")

from benchmarks.train_speed import Limits, Trace, metrics, notes
from twinlens.training.history import LogLine, Progress


def trace(*groups: tuple[float, float, float]) -> Trace:
    made = Trace()
    for group in groups:
        made.add(*group)
    return made


FAST = trace((10.0, 1.0, 0.5), (300.0, 2.0, 0.91), (300.0, 3.0, 0.95))
SLOW = trace((10.0, 4.0, 0.5), (100.0, 8.0, 0.7), (100.0, 12.0, 0.9))
NEVER = trace((10.0, 4.0, 0.5), (150.0, 8.0, 0.7))


def test_the_rate_is_a_median_without_the_warm_up() -> None:
    assert FAST.rate == 300
    assert trace((10.0, 1.0, 0.5)).rate == 10  # a single group is all there is


def test_the_target_is_reached_when_first_reached() -> None:
    assert FAST.seconds_to_target == 2.0
    assert SLOW.seconds_to_target == 12.0
    assert NEVER.seconds_to_target is None


@pytest.mark.parametrize(
    ("made", "least", "enough"),
    [(FAST, 30, True), (FAST, 31, False), (NEVER, 0, False)],
)
def test_training_goes_on_to_the_target_and_the_least_steps(
    made: Trace, least: int, enough: bool
) -> None:
    assert made.enough(Limits(least=least, most=100, every=10)) is enough


def test_the_ratio_is_of_medians_and_ranges_over_rounds() -> None:
    faster = trace((10.0, 1.0, 0.5), (500.0, 2.0, 0.9))
    traces = {
        "twinlens": [FAST, faster, FAST],
        "pml": [SLOW, SLOW, SLOW],
        "pml_in_memory": [NEVER, NEVER, NEVER],
    }
    found = {metric.key: metric for metric in metrics(traces)}
    ratio = found["images_per_second_ratio_to_pml"]
    assert (ratio.value, ratio.low, ratio.high) == (3.0, 3.0, 5.0)
    assert ratio.reached
    assert found["images_per_second_ratio_to_pml_in_memory"].value == 2.0
    assert found["seconds_to_lake_90_twinlens"].value == 2.0
    assert found["seconds_to_lake_90_pml"].high == 12.0
    assert notes(traces) == ()


def test_what_was_not_reached_is_absent_and_said() -> None:
    traces = {"twinlens": [FAST], "pml": [NEVER], "pml_in_memory": [NEVER]}
    assert "seconds_to_lake_90_pml" not in {metric.key for metric in metrics(traces)}
    assert notes(traces) == ("pml reached 90% in 0 of 1 trainings.",)


def test_a_training_is_ended_by_its_listener() -> None:
    from benchmarks.train_speed import _EnoughError, _Tracing

    tracing = _Tracing(Limits(least=20, most=100, every=10), decoding_s=5.0)
    line = LogLine(10, 1.0, {}, 0.1, 200.0, 2.0, validation=0.95)
    tracing.update(Progress(10, 100, line))
    tracing.update(Progress(15, 100, message="no line"))
    with pytest.raises(_EnoughError):
        tracing.update(Progress(20, 100, line))
    assert tracing.trace.curve[0] == (7.0, 0.95)
