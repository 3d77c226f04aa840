"""From data to a model, through every kind of supervision and every way to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from drawings import write_glyphs
from settings import SMALL
from stopping import StopAt
from twinlens.bundle import CONFIG, WEIGHTS, Bundle
from twinlens.config import Config, changed, load_config
from twinlens.errors import BundleError, ConfigError, DataError, TrainingError
from twinlens.fit import fit
from twinlens.training.history import LOG, Progress, read_log
from twinlens.training.optimisation import chosen_device


def settings(*more: str) -> Config:
    return load_config(None, [*SMALL, *more])


def rows(path: Path, header: str, lines: list[str]) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def pairs_table(folder: Path) -> Path:
    """Pairs within eight separate couples of identities, so that a split can part them."""
    write_glyphs(folder, 16, 4)
    lines: list[str] = []
    for one in range(0, 16, 2):
        a, b = f"class{one:02d}", f"class{one + 1:02d}"
        lines += [f"{x}/{i:02d}.png,{x}/{i + 1:02d}.png,1" for x in (a, b) for i in range(3)]
        lines += [f"{a}/{i:02d}.png,{b}/{i:02d}.png,0" for i in range(4)]
    return rows(folder / "pairs.csv", "left,right,same", lines)


def triplets_table(folder: Path) -> Path:
    write_glyphs(folder, 16, 4)
    lines = [
        f"class{x:02d}/{i:02d}.png,class{x:02d}/{i + 1:02d}.png,class{x + 1:02d}/{i:02d}.png"
        for x in range(0, 16, 2)
        for i in range(3)
    ]
    return rows(folder / "triplets.csv", "anchor,positive,negative", lines)


def labels_table(folder: Path) -> Path:
    write_glyphs(folder, 16, 4)
    lines = [f"class{x:02d}/{i:02d}.png,thing {x}" for x in range(16) for i in range(4)]
    return rows(folder / "labels.csv", "path,identity", lines)


@pytest.mark.parametrize(
    ("table", "changes", "figure"),
    [
        (labels_table, [], "roc_auc"),
        (labels_table, ["loss=contrastive"], "roc_auc"),
        (labels_table, ["loss=triplet", "comparator=euclidean"], "roc_auc"),
        (labels_table, ["loss=cross_entropy", "comparator=learned"], "roc_auc"),
        (labels_table, ["loss=arcface", "encoder=mlp"], "roc_auc"),
        (pairs_table, ["loss=contrastive"], "roc_auc"),
        (pairs_table, ["loss=cross_entropy", "comparator=learned"], "roc_auc"),
        (triplets_table, ["loss=triplet"], "triplet_accuracy"),
        (triplets_table, ["loss=contrastive"], "triplet_accuracy"),
    ],
)
def test_every_kind_of_supervision_trains(
    tmp_path: Path, table: Callable[[Path], Path], changes: list[str], figure: str
) -> None:
    base = [s for s in SMALL if not (changes[-1:] == ["encoder=mlp"] and s.startswith("encoder"))]
    config = load_config(None, [*base, *changes])
    bundle = fit(table(tmp_path / "data"), tmp_path / "model", config=config)
    assert figure in bundle.evidence["evaluation"]["metrics"]
    assert Bundle.load(tmp_path / "model").fingerprint == bundle.fingerprint
    assert not (tmp_path / "model.training").exists()


def test_the_configuration_of_a_model_leaves_nothing_to_guess(model: Path, bundle: Bundle) -> None:
    text = (model / CONFIG).read_text()
    assert '"auto"' not in text.replace('group = "auto"', "")
    assert bundle.config.sampler.name == "identities"
    assert bundle.config.miner.name == "none"
    assert bundle.config.train.precision == "float32"
    assert bundle.config.train.device == chosen_device("auto").type
    assert bundle.config.modality.settings["background"] == "light"


def test_the_audit_names_everyone_once(model: Path) -> None:
    audit = json.loads(model.with_name("model.audit.json").read_text())
    sides = [set(audit[side]["identities"]) for side in ("train", "validation", "test")]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 16
    assert all(sides)
    assert "no identity is on two sides" in audit["checks"]


def test_groups_stay_whole(tmp_path: Path) -> None:
    for group in range(6):
        write_glyphs(tmp_path / "data", 4, 3, group=f"group{group}", first=4 * group)
    fit(tmp_path / "data", tmp_path / "model", config=settings())
    audit = json.loads((tmp_path / "model.audit.json").read_text())
    assert audit["unit"] == "group"
    groups = [set(audit[side]["groups"]) for side in ("train", "validation", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 6


@pytest.mark.parametrize(
    ("table", "changes", "what"),
    [
        (pairs_table, ["loss=triplet"], "loss must take pairs"),
        (triplets_table, ["loss=supcon"], "loss must take triplets or pairs"),
        (labels_table, ["loss=cross_entropy"], "comparator must give a logit"),
        (labels_table, ["loss=contrastive", "comparator=learned"], "leave it as it began"),
        (labels_table, ["miner=batch_hard"], "miner must be left out"),
        (labels_table, ["loss=triplet", "miner=all_pairs"], "miner must produce triplets"),
        (
            labels_table,
            ["comparator=euclidean", "encoder.described=places", "encoder.directions=4"],
            "comparator.name must be cosine",
        ),
        (
            labels_table,
            ["encoder.described=strokes", "encoder.directions=4", "modality.background=photo"],
            'must be "light" or "dark" where encoder.described looks for ink',
        ),
        (pairs_table, ["loss=contrastive", "miner=all_pairs"], "miner must be left out"),
        (pairs_table, ["loss=contrastive", "sampler=identities"], "sampler"),
    ],
)
def test_what_does_not_go_together_is_told_before_training(
    tmp_path: Path, table: Callable[[Path], Path], changes: list[str], what: str
) -> None:
    data = table(tmp_path / "data")
    with pytest.raises(ConfigError, match=what):
        fit(data, tmp_path / "model", config=settings(*changes))
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "model.training").exists()


def test_a_box_of_ink_is_not_looked_for_on_photos(tmp_path: Path) -> None:
    own = ["encoder=convcolumns", "encoder.box=[8, 16]", "modality.background=photo"]
    with pytest.raises(ConfigError, match='must be "light" or "dark" where encoder.box looks for'):
        fit(labels_table(tmp_path / "data"), tmp_path / "model", config=load_config(None, own))


def test_one_class_and_nothing_at_all_are_refused(tmp_path: Path) -> None:
    write_glyphs(tmp_path / "one", 1, 6)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="at least 6 identities"):
        fit(tmp_path / "one", tmp_path / "model", config=settings())
    with pytest.raises(DataError, match="must hold a folder for each class"):
        fit(tmp_path / "empty", tmp_path / "model", config=settings())
    with pytest.raises(DataError, match="must exist"):
        fit(tmp_path / "nowhere", tmp_path / "model", config=settings())


@pytest.mark.parametrize("kind", ["places", "strokes"])
def test_what_is_described_is_saved_with_the_model(glyphs: Path, tmp_path: Path, kind: str) -> None:
    own = settings("encoder.dim=12", f"encoder.described={kind}", "encoder.directions=4")
    made = fit(glyphs, tmp_path / "model", config=own)
    loaded = Bundle.load(tmp_path / "model")
    assert loaded.fingerprint == made.fingerprint
    pictures = [str(path) for path in sorted(glyphs.glob("*/*.png"))[:5]]
    embeddings = loaded.embed(pictures)
    np.testing.assert_array_equal(embeddings, made.embed(pictures))
    lengths = np.square(embeddings[:, 8:]).sum(axis=1)
    np.testing.assert_allclose(lengths, 0.5, rtol=1e-5)
    assert embeddings[:, 8:].std(axis=0).max() > 0
    all_to_train = [f"data.{side}_share=0" for side in ("validation", "calibration", "test")]
    onwards = fit(glyphs, tmp_path / "onwards", config=changed(own, all_to_train), start=loaded)
    same = "encoder.described.map"  # found anew: more identities train now
    assert not onwards.siamese.get_buffer(same).equal(loaded.siamese.get_buffer(same))
    again = fit(glyphs, tmp_path / "again", config=changed(own, [*all_to_train, "seed=5"]))
    assert onwards.siamese.get_buffer(same).equal(again.siamese.get_buffer(same))


def test_one_example_a_class_trains_but_carries_no_figure(tmp_path: Path) -> None:
    write_glyphs(tmp_path / "data", 16, 1)
    bundle = fit(tmp_path / "data", tmp_path / "model", config=settings())
    assert "two examples" in bundle.evidence["evaluation"]["absent"]
    assert bundle.evidence["training"]["best_step"] is None


def test_corrupt_files_are_all_named_and_nothing_is_written(tmp_path: Path) -> None:
    write_glyphs(tmp_path / "data", 8, 4)
    (tmp_path / "data" / "class00" / "00.png").write_bytes(b"")
    torn = tmp_path / "data" / "class01" / "00.png"
    torn.write_bytes(torn.read_bytes()[:40])
    with pytest.raises(DataError) as caught:
        fit(tmp_path / "data", tmp_path / "model", config=settings())
    assert "class00/00.png" in str(caught.value)
    assert "class01/00.png" in str(caught.value)
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "model.training").exists()


def test_an_existing_model_is_kept_unless_told(glyphs: Path, tmp_path: Path) -> None:
    first = fit(glyphs, tmp_path / "model", config=settings())
    with pytest.raises(BundleError, match="--overwrite"):
        fit(glyphs, tmp_path / "model", config=settings("seed=1"))
    assert Bundle.load(tmp_path / "model").fingerprint == first.fingerprint
    second = fit(glyphs, tmp_path / "model", config=settings("seed=1"), overwrite=True)
    assert Bundle.load(tmp_path / "model").fingerprint == second.fingerprint != first.fingerprint


def test_an_unfinished_training_is_not_overwritten_by_accident(
    glyphs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        fit(glyphs, out, config=settings(), listener=StopAt(6))
    assert not out.exists()
    with pytest.raises(TrainingError, match="--resume"):
        fit(glyphs, out, config=settings())
    with pytest.raises(TrainingError, match=r"Got a change in: .*loss"):
        fit(glyphs, out, config=settings("loss=infonce"), resume=True)
    resumed = fit(glyphs, out, resume=True)
    whole = fit(glyphs, tmp_path / "whole", config=settings())
    assert resumed.fingerprint == whole.fingerprint


def test_resume_without_a_checkpoint_is_refused(glyphs: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="needs a checkpoint"):
        fit(glyphs, tmp_path / "model", resume=True)


def test_resume_with_other_data_is_refused(glyphs: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        fit(glyphs, out, config=settings(), listener=StopAt(6))
    other = write_glyphs(tmp_path / "other", 12, 6, first=50)
    with pytest.raises(TrainingError, match="needs the data"):
        fit(other, out, resume=True)


_CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from twinlens.config import load_config
from twinlens.fit import fit
data, out, *rest = sys.argv[1:]
resume = rest[0] == "resume"
fit(Path(data), Path(out), config=None if resume else load_config(None, rest), resume=resume)
"""


def child(data: Path, out: Path, *rest: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(data), str(out), *rest],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("lines", [1, 40])
def test_kill_9_then_resume_ends_with_bit_identical_weights(
    glyphs: Path, tmp_path: Path, lines: int
) -> None:
    long = [*SMALL, "train.steps=400"]
    config = load_config(None, long)
    fit(glyphs, tmp_path / "whole", config=config)
    log = tmp_path / "cut.training" / LOG
    deadline = time.monotonic() + 120
    with child(glyphs, tmp_path / "cut", *long) as running:
        while len(read_log(log)) < lines:  # kill it in the middle, wherever it is
            assert running.poll() is None
            assert time.monotonic() < deadline
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut").exists()
    if (tmp_path / "cut.training" / "checkpoint.safetensors").exists():
        resumed = child(glyphs, tmp_path / "cut", "resume")
    else:  # it died before its first checkpoint: started again, it ends the same
        resumed = child(glyphs, tmp_path / "cut", *long)
    _, error = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, error.decode()
    whole, cut = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all((whole[key] == cut[key]).all() for key in whole)


def test_a_disk_that_fills_up_leaves_one_error_and_nothing_behind(
    glyphs: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        running = child(glyphs, small / "model", *SMALL, "encoder.dim=512")
        _, error = running.communicate(timeout=120)
        assert running.returncode == 1
        last = error.decode().strip().splitlines()[-1]
        assert "No space left on device" in last
        assert "Free some space" in last
        assert not (small / "model").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_output_folder_that_cannot_be_made_is_told(glyphs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="must be writable"):
        fit(glyphs, tmp_path / "file" / "model", config=settings())


def test_live_warnings_are_told_while_training(glyphs: Path, tmp_path: Path) -> None:
    messages: list[str] = []

    class Listen:
        def update(self, event: Progress) -> None:
            messages.append(event.message)

    hopeless = ["loss=triplet", "loss.margin=1e-9", "miner.margin=1e-9"]  # nothing is within it
    fit(glyphs, tmp_path / "model", config=settings(*hopeless), listener=Listen())
    warnings = [message for message in messages if message.startswith("warning: ")]
    assert sum("Mining found nothing" in message for message in warnings) == 1


def test_one_process_trains_in_a_folder_at_a_time(glyphs: Path, tmp_path: Path) -> None:
    log = tmp_path / "model.training" / LOG
    deadline = time.monotonic() + 120
    with child(glyphs, tmp_path / "model", *SMALL, "train.steps=1000000") as running:
        while not log.exists():
            assert running.poll() is None
            assert time.monotonic() < deadline
        with pytest.raises(TrainingError, match="Got another at work"):
            fit(glyphs, tmp_path / "model", config=settings(), overwrite=True)
        assert log.exists()
        running.kill()
    fit(
        glyphs, tmp_path / "model", config=settings(), overwrite=True
    )  # a dead holder holds nothing
    assert not log.parent.exists()


def test_a_folder_of_something_else_is_not_trained_in(glyphs: Path, tmp_path: Path) -> None:
    precious = tmp_path / "model.training" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(TrainingError, match="left alone"):
        fit(glyphs, tmp_path / "model", config=settings(), overwrite=True)
    assert precious.read_text() == "years of work"


def test_the_loss_follows_the_data(tmp_path: Path) -> None:
    for table, loss in ((pairs_table, "contrastive"), (triplets_table, "triplet")):
        bundle = fit(table(tmp_path / loss), tmp_path / f"{loss}.model", config=settings())
        assert bundle.config.loss.name == loss


def test_a_kill_before_the_first_validation_resumes(glyphs: Path, tmp_path: Path) -> None:
    late = settings("train.validate_every=12")
    whole = fit(glyphs, tmp_path / "whole", config=late)

    class Die(Exception):
        pass

    class Kill:
        def update(self, event: Progress) -> None:
            if event.step == 4:
                raise Die

    with pytest.raises(Die):
        fit(glyphs, tmp_path / "cut", config=late, listener=Kill())
    resumed = fit(glyphs, tmp_path / "cut", resume=True)
    assert resumed.fingerprint == whole.fingerprint


def test_a_kill_after_the_model_is_saved_only_leaves_clearing_up(
    glyphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["twinlens.fit"], "discard", die)
        with pytest.raises(KeyboardInterrupt):
            fit(glyphs, tmp_path / "model", config=settings())
    saved = Bundle.load(tmp_path / "model").fingerprint
    assert (tmp_path / "model.training").exists()
    assert fit(glyphs, tmp_path / "model", resume=True).fingerprint == saved
    assert not (tmp_path / "model.training").exists()


def test_content_counts_and_not_the_time_of_change(tmp_path: Path) -> None:
    data = write_glyphs(tmp_path / "data", 8, 4)
    for path in data.rglob("*.png"):  # pictures whose files stay as long
        with Image.open(path) as picture:
            picture.convert("L").save(path.with_suffix(".bmp"))
        path.unlink()
    first = fit(data, tmp_path / "first", config=settings())
    for path in data.rglob("*.bmp"):
        state = path.stat()
        with Image.open(path) as picture:
            turned = picture.transpose(Image.Transpose.ROTATE_90)
        turned.save(path)
        assert path.stat().st_size == state.st_size
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    second = fit(data, tmp_path / "second", config=settings())
    assert second.fingerprint != first.fingerprint


def test_scores_are_normalised_by_those_trained_on(glyphs: Path, tmp_path: Path) -> None:
    more = ("data.calibration_share=0.3", "calibration.normalise=s", "calibration.fmr=[0.5]")
    bundle = fit(glyphs, tmp_path / "m", config=settings(*more))
    again = Bundle.load(tmp_path / "m")
    assert bundle.cohort is not None and again.cohort is not None
    assert (again.cohort.embeddings == bundle.cohort.embeddings).all()
    train = set(bundle.evidence["identities"]["train"])
    assert set(bundle.cohort.data["identity_hashes"]) == train
    a, b = sorted(next(iter(sorted(glyphs.iterdir()))).iterdir())[:2]
    measured = again.measured(again.embed([a, b]))
    assert again.score(a, b) == pytest.approx(
        float(again.scorer.score(measured[:1], measured[1:])[0]), abs=1e-5
    )
    assert again.calibration is not None
    assert again.calibration.normalisation == bundle.cohort.normalisation("s")
    assert bundle.evidence["evaluation"]["decisions"]["promises"] is not None
