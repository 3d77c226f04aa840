"""Two embeddings -> a score, larger when more alike."""

from twinlens.comparators.aligned import Aligned
from twinlens.comparators.base import Comparator
from twinlens.comparators.cosine import Cosine
from twinlens.comparators.euclidean import Euclidean
from twinlens.comparators.learned import Learned
from twinlens.comparators.matches import Matches
from twinlens.comparators.maxsim import MaxSim

__all__ = ["Aligned", "Comparator", "Cosine", "Euclidean", "Learned", "Matches", "MaxSim"]
