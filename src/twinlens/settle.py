"""What "auto" in a configuration stands for on given data, and whether all of it goes together."""

from __future__ import annotations

import dataclasses

import numpy as np

from twinlens.comparators.base import Comparator
from twinlens.config import Config, resolved
from twinlens.data.dataset import Dataset
from twinlens.data.samplers import Sampler, default_sampler
from twinlens.encoders.base import Encoder
from twinlens.encoders.described import DescribesPictures
from twinlens.errors import ConfigError
from twinlens.losses import default_loss
from twinlens.losses.base import Loss
from twinlens.miners import default_miner
from twinlens.modalities.base import Modality
from twinlens.registry import Component, build, lookup, resolve

NONE = Component("none")
"""Stands for "no miner" in a resolved configuration."""


def settle(config: Config, train: Dataset) -> Config:
    """Replace every "auto" by what the training data shows, and check that all fits together.

    Raises:
        ConfigError: loss, comparator, miner and data do not go together.
    """
    if config.loss.name == "auto":
        loss = Component(default_loss(train.kind), config.loss.settings)
        config = dataclasses.replace(config, loss=resolve("loss", loss))
    config = dataclasses.replace(
        config,
        modality=_modality(config, train),
        encoder=_encoder(config),
        sampler=_sampler(config, train),
    )
    sampler: type[Sampler] = lookup("sampler", config.sampler.name)
    given = sampler.gives or sampler.consumes
    config = dataclasses.replace(config, miner=_miner(config, given))
    _check_loss(config, given)
    _check_paper(config)
    _check_order(config, train)
    config = resolved(config)
    # Built once and let go, before time goes into decoding: each checks the range of its settings.
    build("modality", config.modality)
    build("loss", config.loss, 2, 2)
    if config.miner.name != NONE.name:
        build("miner", config.miner)
    return config


def _modality(config: Config, train: Dataset) -> Component:
    name = config.modality.name
    cls: type[Modality] = lookup("modality", name)
    return Component(name, cls.settle(config.modality.settings, train.refs(name)))


def _encoder(config: Config) -> Component:
    name = config.encoder.name
    cls: type[Encoder] = lookup("encoder", name)
    return Component(name, cls.settle(config.encoder.settings))


def _sampler(config: Config, train: Dataset) -> Component:
    given, name = config.sampler, config.sampler.name
    if name == "auto":
        loss: type[Loss] = lookup("loss", config.loss.name)
        name = default_sampler(train)
        usual = loss.usual_sampler
        if usual is not None and lookup("sampler", usual).consumes == train.kind:
            name = usual
        elif loss.consumes == "labels" and train.kind == "pairs":
            name = "duplicates"
    settings = resolve("sampler", Component(name, given.settings)).settings
    cls: type[Sampler] = lookup("sampler", name)
    return Component(name, cls.settle(settings, train))


def _miner(config: Config, given: str) -> Component:
    """The miner that the loss needs on what is drawn; given pairs and triplets are not mined."""
    loss: type[Loss] = lookup("loss", config.loss.name)
    consumes = loss.consumes
    if consumes == "labels" or given != "labels":
        if config.miner.name not in ("auto", NONE.name) or config.miner.settings:
            why = (
                f"the loss {config.loss.name!r} takes labels"
                if consumes == "labels"
                else f"the data gives {given}"
            )
            raise ConfigError(
                f"miner must be left out, since {why}. Got {config.miner.name!r} with "
                f"{len(config.miner.settings)} settings. Remove it."
            )
        return NONE
    usual = loss.usual_miner or default_miner(consumes)
    if config.miner.name == "auto":
        return Component(usual, config.miner.settings)
    produces = lookup("miner", config.miner.name).produces
    if produces != consumes:
        raise ConfigError(
            f"miner must produce {consumes} for the loss {config.loss.name!r}. "
            f"Got {config.miner.name!r}, which produces {produces}. "
            f"Take miner={usual}."
        )
    return config.miner


def _check_loss(config: Config, given: str) -> None:
    loss: type[Loss] = lookup("loss", config.loss.name)
    comparator: type[Comparator] = lookup("comparator", config.comparator.name)
    if loss.needs_learned and not comparator.is_logit:
        raise ConfigError(
            f"comparator must give a logit for the loss {config.loss.name!r}, as 'learned' does. "
            f"Got {config.comparator.name!r}. Set comparator=learned."
        )
    if comparator.is_logit and not loss.trains_comparator:
        raise ConfigError(
            f"comparator must not have to be trained for the loss {config.loss.name!r}, which "
            f"would leave it as it began. Got {config.comparator.name!r}. Set comparator=cosine, "
            "or take loss=cross_entropy."
        )
    allowed = {
        "labels": ("labels", "pairs", "triplets"),
        "pairs": ("pairs",),
        "triplets": ("triplets", "pairs"),
    }[given]
    if loss.consumes not in allowed:
        raise ConfigError(
            f"loss must take {' or '.join(allowed)}, which is what the data gives. Got "
            f"{config.loss.name!r}, which takes {loss.consumes}. "
            f"Try loss={'triplet' if given == 'triplets' else 'contrastive'}."
        )


def _check_paper(config: Config) -> None:
    """Check that what looks for ink on paper does not get photos, where 0 is no paper."""
    background = config.modality.settings.get("background")
    if background != "photo" or not issubclass(
        lookup("encoder", config.encoder.name), DescribesPictures
    ):
        return
    asked = resolve("encoder", config.encoder).settings
    looking = {"box": bool(asked.get("box")), "described": asked["described"] == "strokes"}
    for setting, looks in looking.items():
        if looks:
            raise ConfigError(
                f'modality.background must be "light" or "dark" where encoder.{setting} looks for '
                'ink on paper. Got "photo", as given or as the borders of the pictures look. Set '
                f"it, or leave encoder.{setting} out."
            )


def _check_order(config: Config, train: Dataset) -> None:
    """Check that a loss which learns an order gets one, where pairs are given."""
    loss: type[Loss] = lookup("loss", config.loss.name)
    pairs = train.pairs
    if pairs is None or not loss.needs_order:
        return
    grades = pairs.same if pairs.grade is None else pairs.grade
    kinds = np.unique(np.stack([pairs.left, grades]), axis=1)  # [2, kinds]: left, grade
    if not (np.bincount(kinds[0].astype(np.int64)) > 1).any():
        raise ConfigError(
            f"loss {config.loss.name!r} must have a question with a better and a worse candidate: "
            f"two pairs with the same left, of which one is better. Got {len(pairs):,} pairs and "
            "no such two. Add them, or set loss=contrastive."
        )
