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
from twinlens.registry import build, lookup, names, resolve
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
    _require_beside(encoder, config)
    _require_level(encoder, config)
    comparator = build("comparator", config.comparator, encoder.dim)
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


def _require_beside(encoder: Encoder, config: Config) -> None:
    """Check that what formulas tell is compared by its cosine, and nothing else is.

    Raises:
        ConfigError: it is not.
    """
    asked = resolve("comparator", config.comparator).settings.get("beside")
    if asked is None:
        cls: type[Comparator] = lookup("comparator", config.comparator.name)
        if encoder.beside and (encoder.gives_parts or not issubclass(cls, Cosine)):
            raise ConfigError(
                f"comparator.name must be {'aligned' if encoder.gives_parts else 'cosine'} where "
                f"encoder.described is set. Got {config.comparator.name}. Change one of both."
            )
    elif asked != encoder.beside:
        raise ConfigError(
            f"comparator.beside must be {encoder.beside}, as many numbers as the encoder tells "
            f"beside the parts. Got {asked}. Set it so."
        )


def _require_level(encoder: Encoder, config: Config) -> None:
    """Check that costs are told in a level where the encoder gives one, and only there.

    Raises:
        ConfigError: they are not.
    """
    given, comparator = encoder.level, resolve("comparator", config.comparator).settings
    asked = comparator.get("relative", False)
    if asked != (given is not None):
        raise ConfigError(
            f"comparator.relative must be {str(not asked).lower()} where encoder.mirrors is. Got "
            f"{str(asked).lower()}. Set both or none, with comparator.name = aligned."
        )
    if given is not None and comparator["cost"] != given:
        raise ConfigError(
            f"comparator.cost must be {given}, in which the encoder tells its level. Got "
            f"{comparator['cost']}. Set it so."
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
