"""A comparator that is not symmetric: a question (left) and an answer (right), all the way."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from texts import SMALL, write_labels, write_pairs
from twinlens.bundle import Bundle, fingerprint
from twinlens.config import Config, load_config
from twinlens.data.manifest import read_dataset
from twinlens.errors import ConfigError
from twinlens.fit import fit
from twinlens.tasks.calibrate import calibrate
from twinlens.tasks.compare import compare, compare_file
from twinlens.tasks.comparisons import compare_all
from twinlens.tasks.dedupe import find_duplicates
from twinlens.tasks.evaluate import evaluate
from twinlens.tasks.gallery import create_gallery, enrol
from twinlens.tasks.identify import identify
from twinlens.tasks.rank import rank
from twinlens.tasks.search import search
from twinlens.tasks.verify import verify

ONE_WAY = (
    *(setting for setting in SMALL if not setting.startswith("encoder")),
    "encoder=stepwise",
    "encoder.steps=40",
    "comparator=maxsim",
    "comparator.steps=40",
    "comparator.direction=left_to_right",
)
QUESTION, ANSWER = "sail a yacht", "sail a yacht with both hands, to the north"


def settings(*more: str) -> Config:
    return load_config(None, [*ONE_WAY, *more])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sides")
    fit(write_pairs(place), place / "model", config=settings("loss=listwise"))
    return place / "model"


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return Bundle.load(model)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Same: the right one holds the left one. Different: the left one holds the right one."""
    things = [f"{verb} the {noun}" for verb in ("sew", "mend", "lend") for noun in ("hat", "sock")]
    more = "on a sunny day"
    rows = [(thing, f"{thing} {more}", 1) for thing in things[::2]]
    rows += [(f"{thing} {more}", thing, 0) for thing in things[1::2]]
    path = tmp_path / "pairs.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("left", "right", "same"), *rows])
    return path


def test_the_direction_is_saved_with_the_model(bundle: Bundle) -> None:
    assert bundle.config.comparator.settings["direction"] == "left_to_right"
    assert not bundle.siamese.comparator.symmetric


def test_models_saved_before_there_was_a_direction_keep_their_fingerprint(bundle: Bundle) -> None:
    def marked(**direction: str) -> str:
        comparator = replace(bundle.config.comparator, settings={"steps": 40, **direction})
        return fingerprint(bundle.siamese, replace(bundle.config, comparator=comparator))

    assert marked(direction="both") == marked()
    assert marked(direction="left_to_right") == bundle.fingerprint != marked()


def test_two_texts_are_compared_from_left_to_right(bundle: Bundle) -> None:
    assert compare(bundle, QUESTION, ANSWER)["score"] == pytest.approx(1, abs=1e-5)
    assert compare(bundle, ANSWER, QUESTION)["score"] < 0.95


def test_candidates_are_compared_with_the_question(bundle: Bundle) -> None:
    best = rank(bundle, QUESTION, ["sail", ANSWER]).candidates[0]
    assert (best.candidate, best.score) == (ANSWER, pytest.approx(1, abs=1e-5))


def test_a_search_asks_the_items(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text(f'text,identity\n"{ANSWER}",a\nsail,b\n')
    with create_gallery(tmp_path / "gallery", bundle) as gallery:
        enrol(gallery, bundle, [tmp_path / "answers.csv"])
        best = search(bundle, gallery, [QUESTION])[0].hits[0]
    assert (best.item.entry.source, best.score) == (ANSWER, pytest.approx(1, abs=1e-5))


def test_a_table_keeps_its_sides(bundle: Bundle, table: Path, tmp_path: Path) -> None:
    dataset = read_dataset(table, modality="text")
    assert dataset.pairs is not None
    compared = compare_all(bundle.embed(dataset.refs("text")), dataset, bundle.siamese)
    assert compared.scores[compared.same] == pytest.approx(1, abs=1e-5)
    assert (compared.scores[~compared.same] < 0.95).all()
    assert evaluate(bundle, table).evaluation.metrics["roc_auc"].value == 1
    compare_file(bundle, table, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        scored = [(row["same"], float(row["score"])) for row in csv.DictReader(file)]
    np.testing.assert_array_equal(
        [score > 0.99 for _, score in scored], [s == "1" for s, _ in scored]
    )


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (write_labels, ()),
        (write_pairs, ("loss=supcon", "sampler=duplicates")),
        (write_pairs, ("loss=listwise", "calibration.normalise=s")),
    ],
)
def test_training_that_has_no_sides_is_refused(
    data: Callable[[Path], Path], more: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="the same score from both sides for") as refused:
        fit(data(tmp_path), tmp_path / "model", config=settings(*more))
    assert "Got MaxSim from left to right" in str(refused.value)
    assert not (tmp_path / "model.training").exists()


def test_tasks_on_identities_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = [f"{verb} the {noun},{noun}" for noun in ("hat", "sock") for verb in ("sew", "mend")]
    labels.write_text("\n".join(["text,identity", *rows]) + "\n")
    with create_gallery(tmp_path / "gallery", bundle) as gallery:
        asked: dict[str, Callable[[], object]] = {
            "comparisons of identities": lambda: calibrate(bundle, labels),
            "an evaluation on identities": lambda: evaluate(bundle, labels, include_seen=True),
            "references of an identity": lambda: verify(bundle, [QUESTION], ANSWER),
            "references": lambda: identify(bundle, gallery, [QUESTION]),
            "a search for copies": lambda: find_duplicates(tmp_path, bundle, tmp_path / "memory"),
        }
        for what, ask in asked.items():
            with pytest.raises(ConfigError, match=f"from both sides for {what}"):
                ask()
