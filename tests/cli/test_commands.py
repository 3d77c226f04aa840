"""Every command through the entry point that a shell calls: output, exit code, bad use."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drawings import write_glyphs
from settings import SMALL
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.training.history import LOG, read_log

Run = Callable[..., tuple[int, str, str]]
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call a command in this process. -> (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        code = exit.value.code
        return code if isinstance(code, int) else 0, out, err

    return call


def assert_one_clear_line(result: tuple[int, str, str], *words: str) -> None:
    code, out, err = result
    assert code == 2, (out, err)
    assert out == ""
    assert err.startswith("twinlens: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_train_evaluate_compare_embed_and_doctor(
    run: Run, glyphs: Path, strangers: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    code, out, _ = run("train", glyphs, "--out", model, "--seed", 3, *SETTINGS, "--json")
    assert code == 0
    trained = json.loads(out)
    assert trained["model"] == Bundle.load(model).fingerprint
    assert Bundle.load(model).config.seed == 3

    code, out, _ = run("evaluate", model, strangers, "--json")
    assert code == 0
    metrics = json.loads(out)["metrics"]
    for name in ("roc_auc", "eer", "recall_at_1", "map_at_r", "one_shot_5_way_1_shot"):
        assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]

    a, b = sorted(strangers.rglob("*.png"))[:2]
    code, out, _ = run("compare", model, a, b, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["score"] == pytest.approx(Bundle.load(model).score(a, b))
    assert facts["model"] == trained["model"]

    code, out, _ = run("embed", model, strangers, "--out", tmp_path / "v.npy", "--json")
    vectors = np.load(tmp_path / "v.npy")
    names = (tmp_path / "v.txt").read_text().splitlines()
    assert code == 0
    assert vectors.shape == (48, 8) == (len(names), json.loads(out)["dim"])
    np.testing.assert_allclose(vectors[5], Bundle.load(model).embed([names[5]])[0], atol=1e-5)

    code, out, _ = run("doctor", model, "--json")
    findings = json.loads(out)["findings"]
    assert findings == trained["doctor"]
    assert code == int(any(finding["severity"] == "error" for finding in findings))


def test_what_training_saw_is_left_out_of_an_evaluation(
    run: Run, model: Path, glyphs: Path
) -> None:
    code, out, _ = run("evaluate", model, glyphs, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["seen_examples"] > 0
    assert facts["examples"] + facts["seen_examples"] == 96
    code, out, _ = run("evaluate", model, glyphs, "--include-seen", "--json")
    assert code == 0
    assert json.loads(out)["examples"] == 96


def test_pairs_are_scored_row_by_row(run: Run, model: Path, glyphs: Path, tmp_path: Path) -> None:
    names = [str(path) for path in sorted(glyphs.rglob("*.png"))[:5]]
    rows = [(a, b, f"{a}-{b}, quoted") for a in names for b in names]
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("left", "right", "note"), *rows])
    code, out, _ = run("compare", model, "--pairs", tmp_path / "pairs.csv", "--out",
                       tmp_path / "scores.csv", "--json")  # fmt: skip
    assert code == 0
    assert json.loads(out)["pairs"] == 25
    with (tmp_path / "scores.csv").open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert [(row["left"], row["right"], row["note"]) for row in scored] == rows
    bundle = Bundle.load(model)
    for row in scored:
        expected = bundle.score(row["left"], row["right"])
        assert float(row["score"]) == pytest.approx(expected, abs=1e-4)


def test_bad_rows_of_pairs_are_all_named(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("left,right\nnone.png,\nnowhere.png,none.png\n")
    code, out, err = run("compare", model, "--pairs", tmp_path / "pairs.csv", "--out",
                         tmp_path / "scores.csv")  # fmt: skip
    assert (code, out) == (2, "")
    assert "row 2: left must be a file. Got none.png" in err
    assert "row 2: right must be given" in err
    assert "row 3: left must be a file. Got nowhere.png" in err
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "must have rows"),
        ("left;same\n", "Add right"),
        ("left,right\n", "must have rows"),
        ("left,left,right\na,b,c\n", "each column once"),
        ("left,right,score\na,b,1\n", "which are added"),
        ("left,right\na,b,c\n", "must have 2 fields"),
        ('left,right\n"a,b\n', "well-formed CSV"),
    ],
)
def test_a_wrong_table_of_pairs_is_one_clear_line(
    run: Run, model: Path, tmp_path: Path, text: str, word: str
) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    result = run("compare", model, "--pairs", tmp_path / "pairs.csv", "--out", tmp_path / "s.csv")
    assert_one_clear_line(result, word)


def test_the_report_is_one_page_of_its_own(
    run: Run, model: Path, strangers: Path, tmp_path: Path
) -> None:
    code, out, err = run("evaluate", model, strangers, "--report", tmp_path / "r.html", "--json")
    assert code == 0
    assert json.loads(out)["metrics"]
    assert "r.html" in err
    page = (tmp_path / "r.html").read_text()
    assert "<svg" in page
    assert "roc_auc" in page or "ROC" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert 'src="data:image' in page  # the worst pairs are shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "nowhere", "--out", "m"], ["nowhere"]),
        (["train", "DATA", "--out", "m", "--set", "encodr.dim=3"], ["encodr", "'encoder'"]),
        (["train", "DATA", "--out", "m", "--set", "encoder.dmi=3"], ["encoder.dmi", "'dim'"]),
        (["train", "DATA", "--out", "m", "--set", "encoder.dim=many"], ["encoder.dim", "many"]),
        (["train", "DATA", "--out", "m", "--set", "loss=tripet"], ["'triplet'"]),
        (["train", "DATA", "--out", "m", "--set", "seed"], ["a.b=c"]),
        (["train", "DATA", "--out", "m", "--config", "none.toml"], ["none.toml"]),
        (["train", "DATA", "--out", "m", "--resume"], ["checkpoint"]),
        (["train", "DATA", "--out", "MODEL"], ["--overwrite"]),
        (["train", "DATA", "--out", "m", "--plugin", "none.py"], ["none.py"]),
        (["compare", "nowhere", "a", "b"], ["nowhere", "not there"]),
        (["compare", "MODEL"], ["two inputs"]),
        (["compare", "MODEL", "a", "--pairs", "b"], ["two inputs"]),
        (
            ["compare", "MODEL", "--pairs", "b", "--out", "c.csv", "--explain", "d.png"],
            ["--explain", "Got --pairs"],
        ),
        (["compare", "MODEL", "a.png", "b.png"], ["a.png"]),
        (["evaluate", "MODEL", "nowhere"], ["nowhere"]),
        (["embed", "MODEL", "nowhere", "--out", "v.npy"], ["nowhere"]),
        (["embed", "MODEL", "DATA", "--out", "v.csv"], [".npy"]),
        (["doctor", "DATA"], ["MANIFEST"]),
        (["check", "none.py"], ["none.py"]),
        (["check-data", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_use_is_one_clear_line(
    run: Run,
    model: Path,
    glyphs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"DATA": str(glyphs), "MODEL": str(model)}
    result = run(*(places.get(argument, argument) for argument in arguments))
    assert_one_clear_line(result, *words)
    assert not list(tmp_path.iterdir())


def test_unknown_commands_and_options_exit_2(run: Run) -> None:
    for arguments in (["trian"], ["train"], ["compare", "--frobnicate"], ["components", "nothing"]):
        code, _, err = run(*arguments)
        assert code == 2
        assert "Error" in err


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twinlens", "--debug", "doctor", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "BundleError" in done.stderr


def test_help_and_version(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in ("train", "compare", "evaluate", "embed", "doctor", "check-data", "check"):
        assert command in out
    assert run("--version")[1].startswith("twinlens 0.")


def test_components_name_every_setting(run: Run) -> None:
    code, out, _ = run("components", "loss", "--json")
    table = json.loads(out)
    assert code == 0
    assert table["loss"]["supcon"]["settings"] == {"temperature": 0.07}
    assert "triplet" in run("components")[1]


def test_tensorboard_files_are_written(run: Run, glyphs: Path, tmp_path: Path) -> None:
    code, _, _ = run("train", glyphs, "--out", tmp_path / "m", *SETTINGS, "--tensorboard",
                     tmp_path / "curves")  # fmt: skip
    assert code == 0
    assert list((tmp_path / "curves").glob("events.out.tfevents.*"))


def shell(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "twinlens", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_keeps_what_was_learned_and_resume_goes_on(
    run: Run, glyphs: Path, tmp_path: Path
) -> None:
    long = [*SETTINGS, "--set", "train.steps=100000"]
    log = tmp_path / "m.training" / LOG
    deadline = time.monotonic() + 120
    with shell("train", glyphs, "--out", tmp_path / "m", *long) as running:
        while len(read_log(log)) < 5:
            assert running.poll() is None
            assert time.monotonic() < deadline
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert not (tmp_path / "m").exists()
    code, out, _ = run("doctor", tmp_path / "m.training")
    assert code == 0
    assert "Training is at step" in out
    assert_one_clear_line(run("doctor", tmp_path / "m"), "m")


INTERRUPTED_IMPORT = """
import signal, sys

class Interrupt:
    def find_spec(self, name, *rest):
        if name == "torch":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from twinlens.cli import main
main(["components"])
"""


def test_ctrl_c_while_pytorch_is_imported_is_no_traceback() -> None:
    command = [sys.executable, "-c", INTERRUPTED_IMPORT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_broken_pipe_is_no_traceback(model: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m twinlens components | head -1"],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr


def test_a_damaged_model_is_one_clear_line(run: Run, model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "copy"))
    with (copy / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    assert_one_clear_line(run("compare", copy, "a", "b"), "model.safetensors", "changed or damaged")


def test_bad_pictures_in_compare_are_named(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    result = run("compare", model, tmp_path / "empty.png", tmp_path / "empty.png")
    assert_one_clear_line(result, "empty.png", "0 bytes")


def test_an_unwritable_cache_is_told(run: Run, tmp_path: Path) -> None:
    data = write_glyphs(tmp_path / "data", 8, 3)
    (tmp_path / "file").touch()
    place = json.dumps(str(tmp_path / "file" / "cache"))
    result = run("train", data, "--out", tmp_path / "m", *SETTINGS, "--set", f"data.cache={place}")
    code, _, err = result
    assert code == 2
    assert "Set data.cache" in err
    assert not (tmp_path / "m.training").exists()


@pytest.mark.parametrize(
    ("header", "row"),
    [("left,right,same", "{a},{b},1\n{a},{c},0"), ("anchor,positive,negative", "{a},{b},{c}")],
)
def test_pairs_and_triplets_are_evaluated_in_words(
    run: Run, model: Path, strangers: Path, tmp_path: Path, header: str, row: str
) -> None:
    a, b, *_ = sorted((strangers / "class100").iterdir())
    c = min((strangers / "class101").iterdir())
    (tmp_path / "t.csv").write_text(f"{header}\n{row.format(a=a, b=b, c=c)}\n")
    code, out, err = run("evaluate", model, tmp_path / "t.csv", "--report", tmp_path / "r.html")
    assert (code, err) == (0, "")
    assert "t.csv: 3 examples.\n" in out
    assert (tmp_path / "r.html").exists()


def test_the_worst_comparisons_are_named(run: Run, model: Path, strangers: Path) -> None:
    _, out, _ = run("evaluate", model, strangers, "--json")
    worst = json.loads(out)["false_matches"][0]
    score = Bundle.load(model).score(strangers / worst["left"], strangers / worst["right"])
    assert score == pytest.approx(worst["score"], abs=1e-5)


def test_numbers_out_of_range_are_one_clear_line(
    run: Run, model: Path, glyphs: Path, tmp_path: Path
) -> None:
    for setting, word in {
        "loss.temperature=-1": "above 0",
        "modality.views=0": "at least 1",
        "modality.size=100000": "at most 4096",
        "seed=18446744073709551616": "between 0 and",
    }.items():
        result = run("train", glyphs, "--out", tmp_path / "m", *SETTINGS, "--set", setting)
        assert_one_clear_line(result, setting.partition("=")[0], word)
    assert run("evaluate", model, glyphs, "--seed", "-1")[0] == 2
    assert_one_clear_line(run("train", glyphs, "--out", "/"), "a folder with a name")
    (tmp_path / "file").touch()
    assert_one_clear_line(run("demo", "--out", tmp_path / "file"), "left alone")


def test_calibrate_compare_verify_and_evaluate_with_decisions(
    run: Run, model: Path, strangers: Path, tmp_path: Path
) -> None:
    own, calibrated = tmp_path / "own", tmp_path / "calibrated"
    write_glyphs(own, 30, 4, first=900)
    given = ["--fmr", 0.5, "--fmr", 0.4, "--references", 1, "--references", 2]
    code, out, _ = run("calibrate", model, own, *given, "--out", calibrated, "--json")
    assert code == 0
    facts = json.loads(out)
    assert [len(scale["points"]) for scale in facts["scales"]] == [2, 2]
    assert facts["fingerprint"] == Bundle.load(model).fingerprint
    loose, strict = (point["threshold"] for point in facts["scales"][0]["points"])

    a, b = sorted(strangers.rglob("*.png"))[:2]
    code, out, _ = run("compare", calibrated, a, b, "--json")
    answer = json.loads(out)
    assert code == 0
    same = answer["score"] >= strict
    unlike = answer["score"] < loose and answer["probability"] <= 0.5
    expected = "same" if same else "different" if unlike else "unsure"
    assert answer["decision"] == expected
    assert answer["prior"] == 0.5 and 0 < answer["probability"] < 1
    rare = json.loads(run("compare", calibrated, a, b, "--prior", 0.01, "--json")[1])
    assert rare["probability"] < answer["probability"]
    costs = ["--cost-review", 0, "--json"]
    assert json.loads(run("compare", calibrated, a, b, *costs)[1])["decision"] == "unsure"
    assert_one_clear_line(run("compare", calibrated, a, b, "--fmr", 0.01), "0.5, 0.4")
    assert_one_clear_line(run("compare", calibrated, a, b, "--prior", 2), "prior")

    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"left,right\n{a},{b}\n{a},{a}\n")
    run("compare", calibrated, "--pairs", pairs, "--out", tmp_path / "out.csv", "--fmr", 0.4)
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["decision"] for row in rows][1] == "same"
    assert (rows[0]["decision"] == "same") == same

    code, out, _ = run("verify", calibrated, "-r", a, "-r", a, "-q", a, "--json")
    verified = json.loads(out)
    assert (code, verified["decision"], verified["references_used"]) == (0, "same", 2)
    page = tmp_path / "case.html"
    code, out, err = run("verify", calibrated, "-r", a, "-q", b, "--report", page, "--json")
    assert json.loads(out)["decision"] in page.read_text() and "case.html" in err
    code, out, _ = run("verify", calibrated, "-r", a, "-q", a, "--cost-review", 0)
    assert code == 1 and out.startswith("unsure")

    code, out, _ = run("evaluate", calibrated, strangers)
    assert code == 0
    assert "fmr promised 0.4" in out and "cllr" in out


def test_a_promise_that_cannot_be_made_exits_with_1(run: Run, model: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    write_glyphs(own, 12, 4, first=900)
    code, out, _ = run("calibrate", model, own, "--fmr", 0.0001, "--out", tmp_path / "m")
    assert code == 1
    assert "more identities" in out
    files = sorted((own / "class900").iterdir())
    code, out, _ = run("compare", tmp_path / "m", files[0], files[1])
    assert code == 0
    assert out.startswith("unsure") and "more identities" in out
    wrong = {"--fmr": (2, "between 0 and 1"), "--confidence": (1.5, "calibration.confidence")}
    for option, (value, word) in wrong.items():
        assert_one_clear_line(run("calibrate", model, own, option, value), word)


def test_calibrating_on_what_cannot_be_is_one_clear_line(
    run: Run, model: Path, glyphs: Path, tmp_path: Path
) -> None:
    assert_one_clear_line(run("calibrate", model, glyphs), "did not see")
    write_glyphs(tmp_path / "one", 1, 4, first=900)
    assert_one_clear_line(run("calibrate", model, tmp_path / "one"), "Got 6 and 0")
    assert_one_clear_line(run("verify", model, "-r", "a", "-q", "b"), "twinlens calibrate")


def test_scores_normalised_by_a_cohort(run: Run, model: Path, tmp_path: Path) -> None:
    own, others = tmp_path / "own", tmp_path / "others"
    write_glyphs(own, 12, 4, first=900)
    write_glyphs(others, 12, 2, first=2000)
    calibrate = ["calibrate", model, own, "--fmr", 0.5, "--out", tmp_path / "m"]
    code, out, _ = run(*calibrate, "--normalise", "s", "--cohort", others)
    assert code == 0
    assert "normalised: s, by 24 examples of others" in out
    assert "s, by 24 examples of others" in (tmp_path / "m" / "card.md").read_text()
    again = ["calibrate", tmp_path / "m", own, "--fmr", 0.5, "--normalise", "z"]
    assert run(*again)[0] == 0  # the model holds its cohort
    assert_one_clear_line(run(*calibrate[:-1], tmp_path / "n", "--normalise", "z"), "--cohort DATA")
    assert_one_clear_line(run(*calibrate[:-1], tmp_path / "n", "--cohort", others), "--normalise")
