"""Calibration of a trained model on data of one's own: real files, real embeddings."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from drawings import write_glyphs
from twinlens.bundle import CALIBRATION, COHORT, Bundle
from twinlens.calibration import Costs, Question
from twinlens.config import CalibrationConfig
from twinlens.data.manifest import read_dataset
from twinlens.errors import BundleError, ConfigError, DataError, EvidenceError
from twinlens.tasks import verify_report
from twinlens.tasks.calibrate import calibrate, cohort_of
from twinlens.tasks.compare import compare, compare_file
from twinlens.tasks.comparisons import compare_all
from twinlens.tasks.evaluate import evaluate
from twinlens.tasks.report import report
from twinlens.tasks.verify import verify
from twinlens.tasks.verify_report import Case, report_case

LOOSE = CalibrationConfig(fmr=(0.4,), references=(1, 2))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty glyphs that training never saw."""
    folder = tmp_path_factory.mktemp("own")
    write_glyphs(folder, 30, 4, first=500)
    return folder


@pytest.fixture(scope="module")
def calibrated(bundle: Bundle, own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("calibrated") / "model"
    Bundle.save(
        place,
        siamese=bundle.siamese,
        config=bundle.config,
        evidence=bundle.evidence,
        calibration=calibrate(bundle, own, settings=LOOSE),
    )
    return place


def test_a_calibrated_model_comes_back_whole(calibrated: Path, bundle: Bundle) -> None:
    again = Bundle.load(calibrated)
    assert again.fingerprint == bundle.fingerprint
    assert again.calibration is not None
    assert [scale.references for scale in again.calibration.scales] == [1, 2]
    assert again.calibration.data["identities"] == 30
    assert again.calibration.scale(1).points[0].bound <= 0.4
    assert "0.4" in (calibrated / "card.md").read_text()


def test_its_scores_are_those_of_the_pairs(bundle: Bundle, own: Path) -> None:
    dataset = read_dataset(own)
    embeddings = bundle.embed(dataset.refs())
    found = compare_all(embeddings, dataset, bundle.siamese)
    assert found.same.sum() == 30 * 6
    assert (~found.same).sum() == 120 * 119 / 2 - 180
    assert (found.left == found.right).sum() == 180  # a genuine pair depends on one identity
    expected = np.sort(bundle.siamese.score_matrix(embeddings, embeddings)[np.triu_indices(120, 1)])
    np.testing.assert_allclose(np.sort(found.scores), expected, atol=1e-5)


def test_several_references_tell_more(bundle: Bundle, own: Path) -> None:
    dataset = read_dataset(own)
    embeddings = bundle.embed(dataset.refs())
    found = compare_all(embeddings, dataset, bundle.siamese, references=2)
    assert found.same.sum() == 30 * 4 * 2  # four draws of two references leave two each
    one = compare_all(embeddings, dataset, bundle.siamese)

    def apart(compared: object) -> float:
        scores, same = compared.scores, compared.same  # type: ignore[attr-defined]
        return float((scores[same].mean() - scores[~same].mean()) / scores[~same].std())

    assert apart(found) > apart(one)
    with pytest.raises(EvidenceError, match="at least 5 examples"):
        compare_all(embeddings, dataset, bundle.siamese, references=4)


def test_relative_scores_take_the_references_among_themselves_off(
    bundle: Bundle, own: Path
) -> None:
    settings = CalibrationConfig(fmr=(0.5,), references=(3,), combine="relative")
    calibrated = dataclasses.replace(bundle, calibration=calibrate(bundle, own, settings=settings))
    files = sorted((own / "class500").iterdir())
    found = verify(calibrated, files[:3], files[3])
    pairs = [bundle.score(files[i], files[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    expected = np.mean(found.scores) - np.mean(pairs)
    assert found.decision.score == pytest.approx(expected, abs=1e-5)
    dataset = read_dataset(own)
    embeddings = bundle.embed(dataset.refs())
    every = compare_all(embeddings, dataset, bundle.siamese, references=3, combine="relative")
    one = np.flatnonzero(every.same & (every.left == 0))
    assert np.isclose(every.scores[one], expected, atol=1e-5).any()


def test_imitations_are_impostors_of_one_identity(bundle: Bundle, tmp_path: Path) -> None:
    write_glyphs(tmp_path / "plain", 12, 4, first=700)
    for folder in sorted((tmp_path / "plain").iterdir()):
        for kind, files in (("genuine", ("00", "01", "02")), ("forgery", ("03",))):
            place = tmp_path / "signed" / folder.name / kind
            place.mkdir(parents=True)
            for name in files:
                shutil.copy(folder / f"{name}.png", place)
    dataset = read_dataset(tmp_path / "signed")
    assert len(dataset.identities()) == 12
    embeddings = bundle.embed(dataset.refs())
    found = compare_all(embeddings, dataset, bundle.siamese, impostors="imitations")
    assert found.same.sum() == 12 * 3
    assert (~found.same).sum() == 12 * 3
    assert (found.left == found.right).all()
    everyone = compare_all(embeddings, dataset, bundle.siamese)
    strangers = compare_all(embeddings, dataset, bundle.siamese, impostors="strangers")
    assert len(everyone) == len(strangers) + 36
    several = compare_all(embeddings, dataset, bundle.siamese, references=2, impostors="imitations")
    assert (~several.same).sum() == 12 * 3  # three draws of references each, one forgery
    with pytest.raises(EvidenceError, match="imitations"):
        plain = read_dataset(tmp_path / "plain")
        compare_all(bundle.embed(plain.refs()), plain, bundle.siamese, impostors="imitations")


def test_identities_of_training_are_refused_by_name(
    bundle: Bundle, glyphs: Path, model: Path, own: Path, tmp_path: Path
) -> None:
    known = json.loads(model.with_name("model.audit.json").read_text())["train"]["identities"][0]
    mixed = tmp_path / "mixed"
    shutil.copytree(own, mixed)
    shutil.copytree(glyphs / known, mixed / known)
    with pytest.raises(EvidenceError, match=known):
        calibrate(bundle, mixed)


def test_one_identity_carries_nothing(bundle: Bundle, tmp_path: Path) -> None:
    write_glyphs(tmp_path, 1, 6, first=800)
    with pytest.raises(EvidenceError, match="Got 15 and 0"):
        calibrate(bundle, tmp_path)


def test_a_rate_that_the_data_cannot_carry_is_refused(bundle: Bundle, own: Path) -> None:
    found = calibrate(bundle, own, settings=CalibrationConfig(fmr=(0.4, 0.0001)))
    (refusal,) = found.scale(1).refusals
    assert refusal.rate == 0.0001
    assert refusal.identities_needed > 300
    # the rule of 3 for pairs of identities, at half of the rest of the confidence
    pairs = refusal.identities_needed * (refusal.identities_needed - 1) / 2
    assert pairs == pytest.approx(2 * np.log(0.025) / np.log1p(-0.0001), rel=0.05)
    assert found.scale(1).points[0].fmr == 0.4


def test_earlier_calibrations_are_remembered(calibrated: Path, own: Path) -> None:
    settings = CalibrationConfig(fmr=(0.5,), fnmr=(0.0001,))
    again = calibrate(Bundle.load(calibrated), own, settings=settings)
    assert [before["name"] for before in again.earlier] == [own.name]
    assert again.earlier[0]["refused"] == again.earlier[0]["refused_fnmr"] == []
    assert again.repeats == 1
    third = calibrate(dataclasses.replace(Bundle.load(calibrated), calibration=again), own)
    assert third.earlier[1]["refused_fnmr"] == [0.0001]
    assert third.repeats == 2


def test_calibrations_on_other_identities_do_not_count_as_another_try(
    calibrated: Path, strangers: Path
) -> None:
    elsewhere = calibrate(Bundle.load(calibrated), strangers)
    assert len(elsewhere.earlier) == 1
    assert elsewhere.repeats == 0


def test_evaluation_holds_promises_against_others(
    calibrated: Path, own: Path, strangers: Path
) -> None:
    model = Bundle.load(calibrated)
    tested = evaluate(model, strangers)
    decisions = tested.evaluation.decisions
    assert decisions is not None
    assert decisions.min_cllr <= decisions.cllr
    (promise,) = decisions.promises
    assert promise.rate == 0.4
    assert promise.came.low <= promise.came.value <= promise.came.high
    again = type(tested.evaluation).from_dict(json.loads(json.dumps(tested.evaluation.to_dict())))
    assert again == tested.evaluation
    with pytest.raises(EvidenceError, match="did not see"):
        evaluate(model, own)  # calibrated on: its promises would be tried on themselves


NORMALISED = CalibrationConfig(fmr=(0.4,), references=(1, 2), normalise="adaptive_s")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve glyphs for a cohort."""
    return write_glyphs(tmp_path_factory.mktemp("others"), 12, 2, first=2000)


def test_normalised_scores_are_those_of_every_task(
    bundle: Bundle, own: Path, others: Path, strangers: Path, tmp_path: Path
) -> None:
    cohort = cohort_of(bundle, others)
    assert len(cohort.embeddings) == 24
    found = calibrate(bundle, own, settings=NORMALISED, cohort=cohort)
    Bundle.save(
        tmp_path / "m",
        siamese=bundle.siamese,
        config=bundle.config,
        evidence=bundle.evidence,
        calibration=found,
        cohort=cohort,
    )
    model = Bundle.load(tmp_path / "m")
    own_scores = np.array(
        [
            model.score(a, b)
            for a, b in itertools.product(sorted(own.rglob("*/00.png")), repeat=2)
            if a.parent < b.parent
        ]
    )
    point = model.calibration.scale().points[0]  # type: ignore[union-attr]
    assert np.mean(own_scores >= point.threshold) == pytest.approx(point.measured, abs=0.1)
    a, b, c = sorted((strangers / "class100").iterdir())[:3]
    score = model.score(a, b)
    assert score == pytest.approx(model.score(b, a), abs=1e-5)
    assert score != pytest.approx(bundle.score(a, b), abs=0.01)
    assert compare(model, a, b)["score"] == score
    assert verify(model, [a], b).scores[0] == pytest.approx(score, abs=1e-4)
    assert verify(model, [a, b], c).decision.score == pytest.approx(
        (model.score(a, c) + model.score(b, c)) / 2, abs=1e-4
    )
    (tmp_path / "pairs.csv").write_text(f"left,right\n{a},{b}\n")
    compare_file(model, tmp_path / "pairs.csv", tmp_path / "out.csv")
    kept = (tmp_path / "out.csv").read_text().splitlines()[1].split(",")
    assert float(kept[2]) == pytest.approx(score, abs=1e-4)
    assert kept[4] == model.calibration.decide(score).word  # type: ignore[union-attr]
    tested = evaluate(model, strangers)
    ids = [example.id for example in tested.dataset.examples]
    page = report(model, tested, tmp_path / "page.html").read_text()
    assert "adaptive_s, by 24 examples of others" in re.sub(r"others\d+", "others", page)
    worst = tested.evaluation.false_matches[0]
    pair = strangers / ids[worst.left], strangers / ids[worst.right]
    assert worst.score == pytest.approx(model.score(*pair), abs=1e-4)
    with pytest.raises(EvidenceError, match="did not see"):
        evaluate(model, others)  # scores are relative to them


def test_a_cohort_is_of_other_identities_and_belongs_to_its_model(
    bundle: Bundle, own: Path, others: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--cohort"):
        calibrate(bundle, own, settings=NORMALISED)
    mixed = tmp_path / "mixed"
    shutil.copytree(others, mixed)
    shutil.copytree(own / "class503", mixed / "class503")
    with pytest.raises(EvidenceError, match="class503 in both"):
        calibrate(bundle, own, settings=NORMALISED, cohort=cohort_of(bundle, mixed))
    cohort = cohort_of(bundle, others)
    calibration = calibrate(bundle, own, settings=NORMALISED, cohort=cohort)
    parts = {"siamese": bundle.siamese, "config": bundle.config, "evidence": bundle.evidence}
    for given, word in (
        (None, "Got no cohort"),
        (dataclasses.replace(cohort, embeddings=cohort.embeddings[:5]), "Got another"),
    ):
        with pytest.raises(BundleError, match=word):
            Bundle.save(tmp_path / "m", **parts, calibration=calibration, cohort=given)
        assert not (tmp_path / "m").exists()
    Bundle.save(tmp_path / "m", **parts, calibration=calibration, cohort=cohort)
    (tmp_path / "m" / COHORT).write_bytes(b"changed")
    with pytest.raises(BundleError, match="changed or damaged"):
        Bundle.load(tmp_path / "m")


def test_verify_uses_the_references_that_were_promised_for(calibrated: Path, own: Path) -> None:
    model = Bundle.load(calibrated)
    files = sorted((own / "class500").iterdir())
    found = verify(model, files[:3], files[3])
    assert found.used == 2
    assert len(found.scores) == 2
    assert found.decision.score == pytest.approx(np.mean(found.scores))
    alone = verify(model, files[:1], files[3])
    assert alone.scores[0] == pytest.approx(found.scores[0], abs=1e-5)
    free = Question(costs=Costs(review=0.0))
    assert verify(model, files[:1], files[3], question=free).decision.same is None


def test_a_case_is_one_page_with_all_that_it_rests_on(
    calibrated: Path, own: Path, tmp_path: Path
) -> None:
    model = Bundle.load(calibrated)
    files = sorted((own / "class500").iterdir())
    other = min((own / "class501").iterdir())
    case = Case(files[:3], other, verify(model, files[:3], other))
    text = report_case(model, case, tmp_path / "case.html").read_text()
    decision = case.found.decision
    for expected in (
        f"class501/00.png: {decision.word}",
        f"{decision.probability:.4f}, where 0.5 of such comparisons are matches",
        "2 of 3",
        *(f"score {score:.4f}" for score in case.found.scores),
        "not used: the model is not calibrated for as many references",
        "taking away as much at random by",
        "same: false match rate 0.4",
        "30 identities",
        "What the model must not be used for",
        model.fingerprint,
    ):
        assert expected in text, expected
    assert text.count("data:image/png;base64,") == 4 + 2  # inputs, and differences from two
    assert "<script" not in text and not re.search(r'(src|href)="(?!#|data:)', text)
    bare = dataclasses.replace(model, calibration=None)
    with pytest.raises(EvidenceError, match="not calibrated"):
        report_case(bare, case, tmp_path / "none.html")


def test_a_case_of_other_inputs_shows_no_differences(
    calibrated: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(bundle: Bundle) -> None:
        raise ConfigError("cannot be taken apart")

    model = Bundle.load(calibrated)
    files = sorted((own / "class500").iterdir())
    case = Case(files[:1], files[1], verify(model, files[:1], files[1]))
    monkeypatch.setattr(verify_report, "parts_of", refuse)
    text = report_case(model, case, tmp_path / "case.html").read_text()
    assert "Inputs of image cannot be taken apart" in text
    assert text.count("data:image/png;base64,") == 2


def test_a_model_without_calibration_says_why(bundle: Bundle, own: Path) -> None:
    files = sorted((own / "class500").iterdir())
    with pytest.raises(EvidenceError, match="calibration_share"):
        verify(bundle, files[:1], files[1])


def test_a_calibration_of_another_model_is_refused(calibrated: Path, tmp_path: Path) -> None:
    model = Bundle.load(calibrated)
    assert model.calibration is not None
    foreign = dataclasses.replace(model.calibration, fingerprint="0" * 16)
    with pytest.raises(BundleError, match="Calibrate this model"):
        Bundle.save(
            tmp_path / "m",
            siamese=model.siamese,
            config=model.config,
            evidence=model.evidence,
            calibration=foreign,
        )
    assert not (tmp_path / "m").exists()
    changed = calibrated / CALIBRATION
    damaged = tmp_path / "damaged"
    shutil.copytree(calibrated, damaged)
    (damaged / CALIBRATION).write_text(changed.read_text().replace('"mean"', '"max"'))
    with pytest.raises(BundleError, match="changed or damaged"):
        Bundle.load(damaged)


def test_errors_by_a_column_and_drift_of_new_inputs(calibrated: Path, tmp_path: Path) -> None:
    model = Bundle.load(calibrated)
    write_glyphs(tmp_path / "strangers", 12, 4, first=1000)
    files = sorted((tmp_path / "strangers").rglob("*.png"))
    rows = [f"{file},{file.parent.name},{'a' if i % 2 else 'b'}" for i, file in enumerate(files)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,identity,pen", *rows]))
    write_glyphs(tmp_path / "new", 12, 1, first=950)
    tested = evaluate(model, table, by="pen", new=tmp_path / "new")
    assert tested.evaluation.grouped_by == "pen"
    assert {group.value for group in tested.evaluation.groups} == {"a", "b"}
    assert sum(group.examples for group in tested.evaluation.groups) == len(files)
    again = type(tested.evaluation).from_dict(json.loads(json.dumps(tested.evaluation.to_dict())))
    assert again == tested.evaluation
    page = report(model, tested, tmp_path / "page.html").read_text()
    for expected in ("Errors by pen", "Drift of new inputs", "Reliability", "least possible"):
        assert expected in page
    with pytest.raises(DataError, match="Did you mean 'pen'"):
        evaluate(model, table, by="penn")
