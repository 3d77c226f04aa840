"""A configuration -> the modality and the network that it describes."""

from __future__ import annotations

from twinlens import comparators, encoders, losses, miners, modalities
from twinlens.comparators import Comparator, Cosine
from twinlens.config import Config
from twinlens.data import samplers
from twinlens.encoders.base import Encoder
from twinlens.encoders.lifted import Lifted
from twinlens.errors import ConfigError
from twinlens.modalities.base import Modality
from twinlens.registry import build, lookup, names
from twinlens.siamese import Siamese

BUILT_IN = (comparators, encoders, losses, miners, modalities, samplers)
"""The rooms whose import registers every built-in component."""


def build_modality(config: Config) -> Modality:
    """The modality, with its settings."""
    return build("modality", config.modality)


def build_siamese(config: Config) -> Siamese:
    """The network with fresh weights from torch's generator; in evaluation mode.

    Raises:
        ConfigError: a component or setting is unknown, or comparator and encoder do not fit.
    """
    modality = build_modality(config)
    _require_parts(config)
    encoder = _encoder(config, modality)
    comparator = build("comparator", config.comparator, encoder.dim)
    _require_cosine(encoder, comparator, config)
    return Siamese(encoder, comparator, modality).eval()


def _require_parts(config: Config) -> None:
    """Check that the comparator gets parts of an embedding, if it compares them.

    Raises:
        ConfigError: the encoder gives none.
    """
    comparator: type[Comparator] = lookup("comparator", config.comparator.name)
    encoder: type[Encoder] = lookup("encoder", config.encoder.name)
    if comparator.needs_parts and not encoder.gives_parts:
        able = [name for name in names("encoder") if lookup("encoder", name).gives_parts]
        raise ConfigError(
            f"encoder.name must be one that gives parts ({', '.join(able)}) where comparator.name "
            f"is {config.comparator.name}. Got {config.encoder.name}. Change one of both."
        )


def _require_cosine(encoder: Encoder, comparator: Comparator, config: Config) -> None:
    """Check that what formulas tell is compared by its cosine, and nothing else is.

    Raises:
        ConfigError: it is not.
    """
    if encoder.gives_parts:
        if comparator.beside != encoder.beside:
            raise ConfigError(
                f"comparator.beside must be {encoder.beside}, the numbers beside the parts of an "
                f"embedding. Got {comparator.beside} of {config.comparator.name}. Set it so."
            )
    elif encoder.beside and not isinstance(comparator, Cosine):
        raise ConfigError(
            "comparator.name must be cosine where encoder.described is set. "
            f"Got {config.comparator.name}. Change one of both."
        )


def _encoder(config: Config, modality: Modality) -> Encoder:
    """The encoder, behind the layer that lifts tokens to vectors where it wants vectors."""
    cls: type[Encoder] = lookup("encoder", config.encoder.name)
    lift = modality.lift()
    if cls.reads_tokens and lift is None:
        raise ConfigError(
            "encoder.name must fit the inputs. Got one that reads tokens, but inputs that are "
            "none. Choose another encoder."
        )
    if lift is None or cls.reads_tokens:
        return build("encoder", config.encoder, modality.channels, modality.shape)
    return Lifted(lift, build("encoder", config.encoder, lift.width, None))
