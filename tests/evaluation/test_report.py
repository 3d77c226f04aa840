from __future__ import annotations

import dataclasses
import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blobs import Cosine, blobs
from twinlens.atomic import WriteError
from twinlens.errors import TwinlensError
from twinlens.evaluation.pictures import PicturePair, data_uri
from twinlens.evaluation.plots import det_plot, histogram_plot, roc_plot
from twinlens.evaluation.report import write_report
from twinlens.evaluation.result import Curve, Evaluation
from twinlens.evaluation.suite import Caps, evaluate_embeddings

AUDIT = {
    "unit": "identity",
    "units": 12,
    "seed": 4,
    **{
        side: {"examples": 40, "identities": ("a", "b"), "groups": (), "pairs": 0, "triplets": 0}
        for side in ("train", "validation", "calibration", "test")
    },
    "content_compared": True,
    "shared_content_count": 0,
    "checks": ("no identity is on two sides",),
}
HISTORY = [
    {"step": 10 * i, "loss": 1 / i, "validation": 0.5 + i / 100 if i % 3 == 0 else None}
    for i in range(1, 31)
]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate_embeddings(*blobs(12, 4), Cosine(), caps=Caps(episodes=10))


class Balance(HTMLParser):
    """Fails where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def words(page: str) -> str:
    parser = Balance()
    parser.feed(page)
    assert not parser.open
    return " ".join(" ".join(parser.text).split())


def picture(shade: int = 0, mode: str = "L", form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (600, 20), shade).save(buffer, form)
    return buffer.getvalue()


def test_the_page_says_all_and_stands_alone(tmp_path: Path, evaluation: Evaluation) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(evaluation.examples)]
    for path in paths:
        path.write_bytes(picture())
    shown = [PicturePair(picture(9), paths[1], "The same digit", 0.75)]
    made = write_report(
        tmp_path / "page.html",
        evaluation,
        title="How good",
        facts={"Model": "digits.model"},
        audit=AUDIT,
        history=HISTORY,
        pairs=shown,
        examples=paths,
    )
    page = made.read_text(encoding="utf-8")
    text = words(page)
    for name, found in evaluation.metrics.items():
        assert f"{found.value:.4f}" in text, name
        assert f"{found.low:.4f} – {found.high:.4f}" in text
    for reason in evaluation.absent.values():
        assert reason in text
    for expected in (
        "digits.model",
        "ROC",
        "DET",
        "Scores",
        "Training",
        "The same digit",
        "score 0.7500",
        "Each identity was kept whole; 12 in all, seed 4.",
        "no identity is on two sides",
        "no file's bytes are on two sides",
        "most alike",
    ):
        assert expected in text
    assert page.count("<svg") == 4
    assert page.count("data:image/png;base64,") == 2 + 2 * 12
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "@import" not in page and "url(http" not in page


def test_ids_are_unique_and_every_reference_is_met(tmp_path: Path, evaluation: Evaluation) -> None:
    page = write_report(tmp_path / "page.html", evaluation, title="t", facts={}).read_text()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used and used <= set(ids)


def test_the_same_evaluation_makes_the_same_page(tmp_path: Path, evaluation: Evaluation) -> None:
    one, two = (
        write_report(tmp_path / name, evaluation, title="t", facts={}).read_bytes()
        for name in ("one.html", "two.html")
    )
    assert one == two


def test_text_is_escaped(tmp_path: Path, evaluation: Evaluation) -> None:
    bad = "<script>alert('&')</script>"
    marked = dataclasses.replace(evaluation, absent={bad: bad}, limits=(bad,), method=bad)
    page = write_report(
        tmp_path / "page.html",
        marked,
        title=bad,
        facts={bad: bad},
        pairs=[PicturePair(Path(bad), b"", bad, 0.0)],
    ).read_text()
    assert "<script" not in page
    words(page)


def test_triplets_are_shown_without_error_rates(tmp_path: Path, evaluation: Evaluation) -> None:
    triplets = dataclasses.replace(evaluation, kind="triplets", identities=None)
    text = words(write_report(tmp_path / "p.html", triplets, title="t", facts={}).read_text())
    assert "nearer" in text and "farther" in text
    assert "DET" not in text


def test_a_plot_without_errors_says_so() -> None:
    plot = det_plot(Curve((0.1, 0.5), (1.0, 0.0), (0.0, 0.0)))
    assert "no threshold makes both kinds of error" in plot.caption
    assert len(plot.rows) == 2


def test_curves_have_bands_and_their_numbers(evaluation: Evaluation) -> None:
    band = evaluation.band
    assert band is not None
    for plot, value in ((roc_plot, lambda y: f"{1 - y:.4f}"), (det_plot, lambda y: f"{y:.5f}")):
        bare, banded = plot(evaluation.curve), plot(evaluation.curve, band)
        assert "pointwise" in banded.caption and "95 %" in banded.caption
        assert "pointwise" not in bare.caption
        assert banded.columns[-2:] == ("from", "to")
        assert banded.svg.count("<path") > bare.svg.count("<path")  # what is filled
        assert banded.rows[-1][2] == value(band.fnmr[-1])
        low, high = sorted((value(band.low[-1]), value(band.high[-1])))
        assert sorted(banded.rows[-1][3:]) == [low, high]


def test_a_row_of_the_histogram_counts_several_bins(evaluation: Evaluation) -> None:
    plot = histogram_plot(evaluation.histogram, ("genuine", "impostor"))
    assert len(plot.rows) == 20
    counted = [sum(int(row[i].replace(",", "")) for row in plot.rows) for i in (2, 3)]
    assert counted == [evaluation.genuine_pairs, evaluation.impostor_pairs]
    assert [row[1] for row in plot.rows[:-1]] == [row[0] for row in plot.rows[1:]]


def test_a_page_says_what_not_to_do_and_reads_on_paper_and_on_a_phone(
    tmp_path: Path, evaluation: Evaluation
) -> None:
    made = write_report(
        tmp_path / "p.html", evaluation, title="t", facts={}, audit=AUDIT, unfit=["Faces."]
    )
    text = made.read_text()
    assert "What the model must not be used for" in words(text)
    assert "<li>Faces.</li>" in text
    assert "class=stacked" in text and 'data-name="identities"' in text
    assert "::details-content" in text  # numbers beside plots are printed, too


def test_numbers_beside_a_plot_are_thinned_with_both_ends_kept() -> None:
    steps = np.linspace(0, 1, 200)
    plot = det_plot(Curve(tuple(steps), tuple(1 - steps), tuple(steps)))
    assert len(plot.rows) == 24
    assert (plot.rows[0][0], plot.rows[-1][0]) == ("0", "1")


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(TwinlensError, match=r"twinlens\[plots\]"):
        write_report(tmp_path / "page.html", evaluation, title="t", facts={})
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error(tmp_path: Path, evaluation: Evaluation) -> None:
    with pytest.raises(WriteError):
        write_report(tmp_path / "none" / "page.html", evaluation, title="t", facts={})


@pytest.mark.parametrize(
    ("mode", "form"), [("L", "PNG"), ("RGBA", "PNG"), ("RGB", "JPEG"), ("1", "TIFF")]
)
def test_a_picture_is_made_small(mode: str, form: str) -> None:
    uri = data_uri(picture(0, mode, form))
    assert uri is not None and uri.startswith("data:image/png;base64,")
    assert len(uri) < 2000


def test_what_is_no_picture_is_none(tmp_path: Path) -> None:
    assert data_uri(b"RIFF....WAVE") is None
    assert data_uri(tmp_path / "missing.png") is None
    assert data_uri(tmp_path) is None
    assert data_uri(picture()[:60]) is None
