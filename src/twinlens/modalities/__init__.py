"""One file a kind of input."""

from twinlens.modalities.base import Modality
from twinlens.modalities.image import Image
from twinlens.modalities.strokes import Strokes

__all__ = ["Image", "Modality", "Strokes"]
