"""One file a miner."""

from twinlens.miners.all_pairs import AllPairs
from twinlens.miners.base import Miner
from twinlens.miners.batch_all import BatchAll
from twinlens.miners.batch_hard import BatchHard
from twinlens.miners.hard_pairs import HardPairs
from twinlens.miners.semi_hard import SemiHard

__all__ = [
    "AllPairs",
    "BatchAll",
    "BatchHard",
    "HardPairs",
    "Miner",
    "SemiHard",
    "default_miner",
]


def default_miner(consumes: str) -> str:
    """The miner for a loss that takes "pairs" or "triplets".

    >>> default_miner("triplets")
    'semi_hard'
    """
    return {"pairs": "all_pairs", "triplets": "semi_hard"}[consumes]
