"""Embeddings and what is known of them -> a scalar. One file a loss."""

from twinlens.losses.arcface import ArcFace
from twinlens.losses.base import Loss, LossValue, PairIndex, Targets, TripletIndex
from twinlens.losses.circle import Circle
from twinlens.losses.contrastive import Contrastive
from twinlens.losses.cross_entropy import CrossEntropy
from twinlens.losses.graded import Graded
from twinlens.losses.infonce import InfoNCE
from twinlens.losses.listwise import Listwise
from twinlens.losses.multi_similarity import MultiSimilarity
from twinlens.losses.proxy_anchor import ProxyAnchor
from twinlens.losses.ranked_pairs import RankedPairs
from twinlens.losses.ranked_triplet import RankedTriplet
from twinlens.losses.supcon import SupCon
from twinlens.losses.template import Template
from twinlens.losses.triplet import Triplet

__all__ = [
    "ArcFace",
    "Circle",
    "Contrastive",
    "CrossEntropy",
    "Graded",
    "InfoNCE",
    "Listwise",
    "Loss",
    "LossValue",
    "MultiSimilarity",
    "PairIndex",
    "ProxyAnchor",
    "RankedPairs",
    "RankedTriplet",
    "SupCon",
    "Targets",
    "Template",
    "Triplet",
    "TripletIndex",
    "default_loss",
]


def default_loss(kind: str) -> str:
    """The name of the loss that "auto" stands for, for data of this kind.

    >>> default_loss("triplets")
    'triplet'
    """
    return {"labels": "supcon", "pairs": "contrastive", "triplets": "triplet"}[kind]
