"""One file a kind of input."""

from twinlens.modalities.base import Modality
from twinlens.modalities.image import Image
from twinlens.modalities.strokes import Strokes
from twinlens.modalities.text import Text

__all__ = ["Image", "Modality", "Strokes", "Text"]
