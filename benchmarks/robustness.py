"""How much worse faces are told apart when one picture of each pair is disturbed.

People of the first fold of Labeled Faces in the Wild, none of whom the models know: all pairs of
one person and 50,000 of two, the second picture of each disturbed. One model was trained by the
preset (`augmented`), one without its light, blur, compression and occlusion (`plain`).
`eer_ratio_worst`: the largest equal error rate over that of the same pairs undisturbed, of all
disturbances at moderate strength, for the preset; each has a metric of its own beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.disturbances import DISTURBANCES, Strength
from benchmarks.faces import configuration, without_folds
from benchmarks.lfw import Lfw, read_lfw
from benchmarks.record import Anchor, Metric, Options, Result
from benchmarks.trained import trained_model
from twinlens.bundle import Bundle
from twinlens.evaluation.comparisons import draw_pairs
from twinlens.functional.metrics import equal_error_rate
from twinlens.modalities.decode import read_image
from twinlens.types import FloatArray

FOLD = 1
IMPOSTORS = 50_000
STRENGTHS: tuple[Strength, ...] = ("mild", "moderate", "strong")
PLAIN = [f"modality.{name}=0" for name in ("light", "blur", "compression", "occlusion")]


def run(options: Options) -> Result:
    """Train both models, where they are not kept, and disturb."""
    lfw = read_lfw(options.data.unpacked("images/lfw_faces_dev.zip"))
    known = without_folds(lfw, [FOLD])
    models = {
        "augmented": (f"faces-lfw-{FOLD}", configuration(options)),
        "plain": ("faces-lfw-plain", configuration(options, *PLAIN)),
    }
    found = {
        name: rates(trained_model(kept, known, config, options), lfw)
        for name, (kept, config) in models.items()
    }
    return Result(tuple(metrics_of(found)), (0,), {"equal_error_rates": found})


def rates(bundle: Bundle, lfw: Lfw) -> dict[str, Any]:
    """Equal error rate undisturbed, and by disturbance and strength."""
    people = lfw.dataset.subset(np.flatnonzero(lfw.folds_of_people() == FOLD))
    pairs = draw_pairs(
        people.labels(), np.random.default_rng(0), most_genuine=IMPOSTORS, most_impostors=IMPOSTORS
    )
    pictures = [read_image(Path(ref)).convert("RGB") for ref in people.refs()]
    clean = bundle.embed(pictures)

    def eer(disturbed: FloatArray) -> float:
        scores = bundle.siamese.score(clean[pairs.left], disturbed[pairs.right])
        return equal_error_rate(scores, pairs.same)[0]

    found: dict[str, Any] = {"undisturbed": eer(clean)}
    for name, (disturb, amounts) in DISTURBANCES.items():
        found[name] = {}
        for strength in STRENGTHS:
            rng = np.random.default_rng(0)
            changed = [disturb(picture, amounts[strength], rng) for picture in pictures]
            found[name][strength] = eer(bundle.embed(changed))
    return found


def metrics_of(found: dict[str, dict[str, Any]]) -> list[Metric]:
    """Ratios at moderate strength; the model without augmentation is what they are read against."""

    def ratio(model: str, name: str) -> float:
        return found[model][name]["moderate"] / found[model]["undisturbed"]

    made: list[Metric] = []
    ratios = {name: ratio("augmented", name) for name in DISTURBANCES}
    plain = {name: ratio("plain", name) for name in DISTURBANCES}
    worst = max(ratios, key=lambda name: ratios[name])
    anchor = Anchor(round(max(plain.values()), 3), "without augmentation")
    made.append(
        Metric("eer_ratio_worst", ratios[worst], "ratio", "lower", goal=1.5, beyond=1.25,
               anchors=(anchor,))
    )  # fmt: skip
    for name, value in ratios.items():
        anchor = Anchor(round(plain[name], 3), "without augmentation")
        key = f"eer_ratio_{name.replace(' ', '_')}"
        made.append(Metric(key, value, "ratio", "lower", anchors=(anchor,)))
    made.append(
        Metric(
            "eer_undisturbed", found["augmented"]["undisturbed"], "rate", "lower",
            anchors=(Anchor(round(found["plain"]["undisturbed"], 3), "without augmentation"),),
        )
    )  # fmt: skip
    return made
