"""Embedding by two processes of Ray: the same gallery as by this one, through any fault."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from settings import SMALL
from twinlens.bundle import Bundle
from twinlens.cli import main
from twinlens.config import load_config
from twinlens.errors import ConfigError, TwinlensError
from twinlens.fit import fit
from twinlens.gallery import AnyGallery
from twinlens.tasks.gallery import Embed, create_gallery, enrol, open_gallery
from twinlens.tasks.readable import Embedded
from twinlens.tasks.workers import Workers, embed_on_workers

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
AT_ONCE = 10


@pytest.fixture(scope="module")
def connected() -> Iterator[None]:
    """Ray with two cores for all tests of this file, since it takes seconds to start."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def pictures(strangers: Path, tmp_path: Path) -> Path:
    """48 pictures, and one that is broken in the middle."""
    folder = tmp_path / "pictures"
    shutil.copytree(strangers, folder)
    (sorted(folder.iterdir())[3] / "000.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def embed(model: Path, bundle: Bundle) -> Embed:
    """By two workers."""
    return partial(
        embed_on_workers,
        model,
        workers=Workers(2),
        fingerprint=bundle.fingerprint,
        at_once=AT_ONCE,
    )


def contents(gallery: AnyGallery) -> list[tuple[str, str | None]]:
    return [(i.entry.content, i.entry.identity) for i in gallery.items(gallery.ids())]


@pytest.mark.usefixtures("connected")
def test_two_workers_fill_a_gallery_as_this_process_does(
    bundle: Bundle, embed: Embed, pictures: Path, tmp_path: Path
) -> None:
    with (
        create_gallery(tmp_path / "here", bundle) as here,
        create_gallery(tmp_path / "there", bundle) as there,
    ):
        alone = enrol(here, bundle, [pictures])
        seen: list[tuple[int, int]] = []
        shared = enrol(
            there, bundle, [pictures], embed=embed, progress=lambda *done: seen.append(done)
        )
        assert shared == alone
        assert len(shared.added) == 48
        assert len(shared.problems) == 1
        assert "000.png must be a picture" in shared.problems[0]
        assert contents(there) == contents(here)
        close = np.abs(there.vectors(there.ids()) - here.vectors(here.ids())).max()
        assert close < 1e-3  # batches of other sizes are added up in another order
        assert seen[-1] == (49, 49)
    assert ray.is_initialized()  # left as it was found


@pytest.mark.usefixtures("connected")
def test_a_job_that_was_cut_off_goes_on_where_it_was(
    bundle: Bundle, embed: Embed, pictures: Path, tmp_path: Path
) -> None:
    asked: list[int] = []

    def noted(inputs: Sequence[str]) -> Iterator[Embedded]:
        asked.append(len(inputs))
        return embed(inputs)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with (
        create_gallery(tmp_path / "gallery", bundle) as gallery,
        pytest.raises(KeyboardInterrupt),
    ):
        enrol(gallery, bundle, [pictures], embed=noted, progress=interrupt)
    with open_gallery(tmp_path / "gallery", bundle) as gallery:
        before = len(gallery.ids())
        assert before == AT_ONCE
        done = enrol(gallery, bundle, [pictures], embed=noted)
        assert (len(done.added), done.known) == (48 - before, before)
        assert asked == [49, 49 - before]
        assert len(set(contents(gallery))) == len(gallery.ids()) == 48


@pytest.mark.usefixtures("connected")
def test_a_worker_with_another_model_is_told(
    bundle: Bundle, glyphs: Path, pictures: Path, tmp_path: Path
) -> None:
    other = fit(glyphs, tmp_path / "other", config=load_config(None, [*SMALL, "seed=9"]))
    job = embed_on_workers(
        tmp_path / "other",
        [str(path) for path in sorted(pictures.rglob("*.png"))],
        workers=Workers(2),
        fingerprint=bundle.fingerprint,
        at_once=AT_ONCE,
    )
    with pytest.raises(TwinlensError, match=f"for every worker. Got {other.fingerprint}"):
        next(iter(job))


def test_the_command_starts_workers_of_its_own_and_stops_them(
    model: Path, strangers: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "gallery"

    def run(*arguments: object) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as exit:
            main(["gallery", *map(str, arguments)])
        return exit.value.code, *capfd.readouterr()

    ray.shutdown()
    assert run("create", place, model)[0] in (0, None)
    code, out, err = run("add", place, model, strangers, "--workers", 2)
    assert code in (0, None), err
    assert "48 added, 0 there already" in out
    assert "INFO" not in err
    assert not ray.is_initialized()
    code, _, err = run("add", place, model, strangers, "--ray", "auto")
    assert code == 2
    assert "--ray must come with --workers" in err


def test_nobody_at_the_address_and_no_worker_are_one_clear_error(
    model: Path, bundle: Bundle
) -> None:
    ray.shutdown()
    for address in ("ray://127.0.0.1:9", "127.0.0.1:9", "nowhere"):
        job = embed_on_workers(
            model, ["a.png"], workers=Workers(1, address), fingerprint="", at_once=1
        )
        with pytest.raises(TwinlensError, match=f"Ray must be reached at {address}. Got "):
            next(iter(job))
    with pytest.raises(ConfigError, match="Workers must be at least 1. Got 0"):
        Workers(0)


def test_the_missing_package_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    job = embed_on_workers(model, ["a.png"], workers=Workers(1), fingerprint="", at_once=1)
    with pytest.raises(TwinlensError, match=r"must have the package ray.*twinlens\[ray\]"):
        next(iter(job))
