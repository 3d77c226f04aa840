from __future__ import annotations

import numpy as np
import pytest

from twinlens.training.doctor import Finding, Symptoms, diagnose, effective_dimensions, watch
from twinlens.training.history import LogLine
from twinlens.types import FloatArray, IntArray

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(40), 5)
CENTRES = RNG.normal(size=(40, 16))
HEALTHY = CENTRES[LABELS] + 0.1 * RNG.normal(size=(200, 16))


def log(
    losses: list[float], validation: list[float] | None = None, **parts: float
) -> list[LogLine]:
    scores: list[float | None] = [*validation] if validation else [None] * len(losses)
    return [
        LogLine(10 * (i + 1), loss, parts, 1e-3, 100.0, float(i), scores[i])
        for i, loss in enumerate(losses)
    ]


def symptoms(**changes: object) -> Symptoms:
    values: dict[str, object] = {
        "lines": log([4, 3, 2, 1, 0.9, 0.8, 0.7, 0.6]),
        "embeddings": HEALTHY,
        "labels": LABELS,
        "class_sizes": np.full(40, 5),
        **changes,
    }
    embeddings = np.asarray(values["embeddings"])
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    values.setdefault("compare", lambda chosen: unit[chosen] @ unit[chosen].T)
    return Symptoms(**values)  # type: ignore[arg-type]


def codes(found: list[Finding]) -> list[str]:
    return [finding.code for finding in found]


def test_a_healthy_run_is_called_healthy() -> None:
    assert codes(diagnose(symptoms())) == ["healthy"]


def test_collapse_is_an_error_with_the_cosine() -> None:
    same = np.ones((200, 16)) + 1e-3 * RNG.normal(size=(200, 16))
    found = diagnose(symptoms(embeddings=same))
    assert found[0].code == "collapse"
    assert found[0].severity == "error"
    assert found[0].number > 0.99


def test_embeddings_of_one_direction_that_the_comparator_tells_apart_are_no_collapse() -> None:
    """A row of parts is compared part by part: how alike all rows are as a whole says nothing."""
    narrow = 100 + CENTRES[LABELS] + 0.1 * RNG.normal(size=(200, 16))

    def alike(chosen: IntArray) -> FloatArray:
        return -np.abs(narrow[chosen, None] - narrow[None, chosen]).sum(2)

    def mixed(chosen: IntArray) -> FloatArray:
        return alike(chosen)[:, RNG.permutation(len(chosen))]

    assert codes(diagnose(symptoms(embeddings=narrow, compare=alike))) == ["healthy"]
    assert "collapse" in codes(diagnose(symptoms(embeddings=narrow, compare=mixed)))


@pytest.mark.parametrize("classes", [4, 60])
def test_large_classes_in_a_row_are_compared_with_one_another(classes: int) -> None:
    """A few examples of each, however many come first of one."""
    labels = np.repeat(np.arange(classes), 1000 // classes)
    centres = RNG.normal(size=(classes, 16))
    narrow = 100 + centres[labels] + 0.1 * RNG.normal(size=(len(labels), 16))
    found: list[int] = []

    def alike(chosen: IntArray) -> FloatArray:
        found.extend(np.bincount(labels[chosen]).tolist())
        return -np.abs(narrow[chosen, None] - narrow[None, chosen]).sum(2)

    assert codes(diagnose(symptoms(embeddings=narrow, labels=labels, compare=alike))) == ["healthy"]
    assert found == [4] * min(classes, 50)


def test_constant_embeddings_are_a_collapse() -> None:
    assert "collapse" in codes(diagnose(symptoms(embeddings=np.zeros((200, 16)))))


def test_empty_mining_is_told_from_an_inactive_loss() -> None:
    losses = [1.0, 0.5, 0.2, 0.1, 0.05, 0.04, 0.03, 0.02]
    assert codes(watch(log(losses, empty_share=0.9, active_share=0.0))) == ["empty_mining"]
    assert codes(watch(log(losses, empty_share=0.0, active_share=0.001))) == ["inactive_loss"]
    assert watch(log(losses, empty_share=0.0, active_share=0.3)) == []


def test_a_loss_that_stands_still_is_named() -> None:
    assert codes(watch(log([2.0] * 10))) == ["no_progress"]


def test_few_dimensions() -> None:
    flat = np.zeros((300, 128))
    flat[:, :2] = RNG.normal(size=(300, 2))
    found = diagnose(symptoms(embeddings=flat, labels=np.arange(300)))
    assert next(f for f in found if f.code == "few_dimensions").number == pytest.approx(2, abs=0.1)


def test_overfitting_gives_the_gap() -> None:
    found = diagnose(symptoms(train_score=0.99, validation_score=0.7))
    assert codes(found) == ["overfitting"]
    assert found[0].number == pytest.approx(0.29)


def test_past_its_best() -> None:
    lines = log([4, 3, 2, 1, 0.5], validation=[0.5, 0.9, 0.85, 0.8, 0.7])
    assert "past_its_best" in codes(diagnose(symptoms(lines=lines)))


def test_a_dominant_class() -> None:
    sizes = np.array([5] * 39 + [500])
    found = diagnose(symptoms(class_sizes=sizes))
    assert codes(found) == ["dominant_class"]
    assert found[0].number == 100


@pytest.mark.parametrize("used", [1, 3, 10])
def test_effective_dimensions_of_isotropic_noise(used: int) -> None:
    noise = np.zeros((20000, 32))
    noise[:, :used] = RNG.normal(size=(20000, used))
    assert effective_dimensions(noise) == pytest.approx(used, rel=0.02)


def test_effective_dimensions_of_one_point_is_zero() -> None:
    assert effective_dimensions(np.ones((5, 3))) == 0
