"""What a model must not be used for follows from what is known of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from populations import people
from twinlens.calibration import Calibration, Scale
from twinlens.card import card, unfit_for
from twinlens.config import Config

EVIDENCE: dict[str, Any] = {
    "data": {"name": "faces"},
    "split": {"train": {"examples": 1200, "identities": 300}},
}


def calibration(*fmrs: float, fnmrs: tuple[float, ...] = (), **data: Any) -> Calibration:
    compared = people(100, np.random.default_rng(0), examples=3)
    scale = Scale.fit(compared, references=1, fmrs=fmrs, fnmrs=fnmrs, confidence=0.95)
    facts = {"name": "clients", "identities": 100, "impostors": "all", "imitations": 0, **data}
    return Calibration("0" * 16, (scale,), "mean", 0.2, 0.95, facts)


def unfit(calibration: Calibration | None) -> str:
    return " ".join(unfit_for(Config(), EVIDENCE, calibration))


def test_a_model_that_is_not_calibrated_decides_nothing() -> None:
    text = unfit(None)
    assert "1,200 examples of 300 identities of faces" in text
    assert "Other inputs than image files" in text
    assert "Decisions of any kind. The model is not calibrated" in text
    assert "Other inputs" in unfit_for(Config(), {}, None)[0]  # of a training that is not known


def test_promises_bound_what_it_is_for() -> None:
    text = unfit(calibration(0.2, 0.05))
    assert "false match rate below 0.05" in text
    assert "among 20 strangers" in text
    assert "100 identities of clients" in text
    assert "no false non-match rate is promised" in text
    assert "0.2 of all comparisons" in text
    assert "refused" not in text
    assert "no false non-match rate" not in unfit(calibration(0.2, fnmrs=(0.3,)))


def test_refusals_are_repeated() -> None:
    assert "rate of 0.0001 cannot be promised" in unfit(calibration(0.2, 0.0001))
    refused = unfit(calibration(0.0001))
    assert "What was refused" in refused and "false match rate below" not in refused


@pytest.mark.parametrize(
    ("impostors", "imitations", "word"),
    [
        ("all", 0, "nothing is promised of forgeries"),
        ("strangers", 9, "nothing is promised of forgeries"),
        ("imitations", 9, "nothing is promised of strangers"),
        ("all", 9, "of either alone it may be above"),
    ],
)
def test_whom_a_rate_counts_is_said(impostors: str, imitations: int, word: str) -> None:
    assert word in unfit(calibration(0.2, impostors=impostors, imitations=imitations))


def test_where_no_identity_is_known_examples_are_counted() -> None:
    sides = {
        side: {"examples": 54, "identities": 0}
        for side in ("train", "validation", "calibration", "test")
    }
    split = {"unit": "component", "checks": ["none is on two"], "shared_content_count": 0, **sides}
    evidence: dict[str, Any] = {
        "data": {"name": "pairs.csv"},
        "split": split,
        "evaluation": {"metrics": {}, "absent": "none"},
    }
    compared = dataclasses.replace(people(100, np.random.default_rng(0)), unit="component")
    scale = Scale.fit(compared, references=1, fmrs=(0.2, 0.0001), fnmrs=(), confidence=0.95)
    facts = {"name": "c", "examples": 99, "identities": 0, "impostors": "all", "imitations": 0}
    text = card(Config(), evidence, Calibration("0" * 16, (scale,), "mean", 0.2, 0.95, facts), "0")
    assert "How good it is on examples it never saw" in text
    assert "| train | 54 |\n" in text
    assert "Calibrated on 99 examples of c" in text
    assert "It learned from 54 examples of pairs.csv." in text
    assert "confidence from 100 connected parts and" in text
    assert "0 identities" not in text


def test_the_card_has_it_too() -> None:
    found = calibration(0.2, fnmrs=(0.3,))
    text = card(Config(), {}, found, "0" * 16)
    for line in unfit_for(Config(), {}, found):
        assert f"* {line}" in text
    for promised in ("same: false match rate 0.2", "different: false non-match rate 0.3"):
        assert promised in text
