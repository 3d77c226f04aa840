"""Two embeddings -> a score, larger when more alike."""

from twinlens.comparators.aligned import Aligned
from twinlens.comparators.base import Comparator
from twinlens.comparators.cosine import Cosine
from twinlens.comparators.euclidean import Euclidean
from twinlens.comparators.learned import Learned

__all__ = ["Aligned", "Comparator", "Cosine", "Euclidean", "Learned"]
