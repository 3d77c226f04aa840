"""One file a kind of input."""

from twinlens.modalities.base import Modality
from twinlens.modalities.image import Image

__all__ = ["Image", "Modality"]
