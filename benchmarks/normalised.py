"""Scores relative to a cohort of those that a model was trained on, as training takes one."""

from __future__ import annotations

import numpy as np

from twinlens.bundle import Bundle
from twinlens.calibration.normalise import Method, Normalised, draw_cohort
from twinlens.data.dataset import Dataset


def normalised_by(bundle: Bundle, known: Dataset, method: Method) -> Normalised:
    """What normalises scores by some of the examples trained on, imitations among them."""
    cohort = known.subset(draw_cohort(known.owners(), np.random.default_rng(0)))
    refs = cohort.refs(bundle.config.modality.name)
    return Normalised(bundle.siamese, method, bundle.embed(refs))
