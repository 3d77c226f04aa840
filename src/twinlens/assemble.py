"""A configuration -> the modality and the network that it describes."""

from __future__ import annotations

import twinlens.comparators
import twinlens.encoders
import twinlens.losses
import twinlens.miners
import twinlens.modalities  # noqa: F401 — importing registers every built-in component
from twinlens.config import Config
from twinlens.encoders.base import Encoder
from twinlens.modalities.base import Modality
from twinlens.registry import build
from twinlens.siamese import Siamese


def build_modality(config: Config) -> Modality:
    """The modality, with its settings."""
    return build("modality", config.modality)


def build_siamese(config: Config) -> Siamese:
    """The network with fresh weights from torch's generator; in evaluation mode.

    Raises:
        ConfigError: a component or setting is unknown.
    """
    modality = build_modality(config)
    encoder: Encoder = build("encoder", config.encoder, modality.channels, modality.shape)
    comparator = build("comparator", config.comparator, encoder.dim)
    return Siamese(encoder, comparator, modality).eval()
