"""A configuration -> the modality and the network that it describes."""

from __future__ import annotations

from twinlens import comparators, encoders, losses, miners, modalities
from twinlens.config import Config
from twinlens.data import samplers
from twinlens.encoders.base import Encoder
from twinlens.modalities.base import Modality
from twinlens.registry import build
from twinlens.siamese import Siamese

BUILT_IN = (comparators, encoders, losses, miners, modalities, samplers)
"""The rooms whose import registers every built-in component."""


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
