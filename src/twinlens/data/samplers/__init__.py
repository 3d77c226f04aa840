"""A data set -> one batch after another."""

from twinlens.data.dataset import Dataset
from twinlens.data.samplers.base import Draw, Sampler
from twinlens.data.samplers.duplicates import DuplicateSampler
from twinlens.data.samplers.identities import IdentitySampler
from twinlens.data.samplers.lists import ListSampler
from twinlens.data.samplers.pairs import PairSampler
from twinlens.data.samplers.triplets import TripletSampler
from twinlens.data.samplers.verification import VerificationSampler

__all__ = [
    "Draw",
    "DuplicateSampler",
    "IdentitySampler",
    "ListSampler",
    "PairSampler",
    "Sampler",
    "TripletSampler",
    "VerificationSampler",
    "default_sampler",
]


def default_sampler(dataset: Dataset) -> str:
    """The name of the sampler that "auto" stands for."""
    return {"labels": "identities", "pairs": "pairs", "triplets": "triplets"}[dataset.kind]
