"""Search among pictures of classes never trained on, beside pytorch-metric-learning.

* `grocery`: photos of groceries; half of the 81 fine classes train, the other half is searched.
* `grocery_iconic`: photos of those unseen classes; which of their iconic pictures is it?
* `tiny_imagenet`: 64 classes train, 20 others are searched (16 are left alone).
* `omniglot`: characters of the background alphabets train, the evaluation set is searched.

`..._map_at_r`, `..._recall_at_1`: every picture searches all others of the unseen classes. Anchors
of the same run: the same network from the same first weights, trained by pytorch-metric-learning's
multi-similarity loss with its miner for as many seconds (`pml`), with the augmentation that its
loader can do; and what needs no training: colour histograms, oriented gradients, pixels. Each seed
draws its own classes. `..._map_at_r_expanded`: each query joined by the five best it found, all
systems alike. Twinlens trains with its preset for photos, and as it does for drawings.

Source:
    Musgrave, Belongie, Lim. A metric learning reality check. ECCV 2020 (MAP@R).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image as Pillow
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch import Tensor

from benchmarks import peer
from benchmarks.gradients import oriented_gradients
from benchmarks.record import Anchor, Metric, Options, Result, over_seeds
from benchmarks.trained import ALL_TO_TRAIN, trained_model
from twinlens.assemble import build_siamese
from twinlens.config import Config, TrainConfig, load_config
from twinlens.data.dataset import Dataset
from twinlens.data.manifest import read_dataset
from twinlens.evaluation.retrieval import search_all
from twinlens.functional.expansion import expanded
from twinlens.functional.metrics import map_at_r
from twinlens.modalities.decode import read_image, to_array
from twinlens.modalities.image import Image
from twinlens.siamese import Siamese
from twinlens.types import Example, FloatArray, IntArray

SEEDS = 3
STEPS = {"grocery": 1200, "tiny_imagenet": 1500, "omniglot": 1500}
QUICK_STEPS = 15
PRESETS = {"grocery": "photos", "tiny_imagenet": "photos", "omniglot": None}
MOST_STEPS = 1_000_000
"""Of the other side, whose time ends first."""
WORKERS = 2
BASELINES = ("colours", "HOG", "pixels")
SIDE = 32
EXPAND = 5
"""Pictures that join a query for `..._map_at_r_expanded`."""
_BLOCK = 500
BINS = 8


@dataclass(frozen=True, slots=True)
class Split:
    """Classes to train on, others to search among, and pictures that stand for these.

    Attributes:
        icons: one picture of each unseen class, by label of `unseen`; None where there are none.
    """

    known: Dataset
    unseen: Dataset
    icons: tuple[str, ...] | None = None


def run(options: Options) -> Result:
    """Train and search on every data set, once a seed."""
    splits: Mapping[str, Callable[[Options, int], Split]] = {
        "grocery": grocery,
        "tiny_imagenet": tiny_imagenet,
        "omniglot": omniglot,
    }
    found = {
        name: [_searched(name, split(options, seed), seed, options)
               for seed in options.seed_range(SEEDS)]
        for name, split in splits.items()
        if options.wants(name)
    }  # fmt: skip
    made = [metric for name, runs in found.items() for metric in metrics_of(name, runs)]
    return Result(tuple(made), options.seed_range(SEEDS), {"runs": found})


def grocery(options: Options, seed: int) -> Split:
    """Half of the fine classes, whatever side their photos were on."""
    root = options.data.unpacked("images/grocery_store.zip")
    photos = read_dataset(root)
    kept = [e for e in photos.examples if _side(e, root) in ("train", "val", "test")]
    named = replace(photos, examples=tuple(replace(e, identity=_class(e)) for e in kept))
    order = np.random.default_rng(seed).permutation(len(named.identities()))
    half = len(order) // 2
    known, unseen = _of(named, order[:half]), _of(named, order[half:])
    icons = {p.stem.removesuffix("_Iconic"): str(p) for p in root.rglob("*_Iconic.jpg")}
    return Split(known, unseen, tuple(icons[name] for name in unseen.identities()))


def _side(example: Example, root: Path) -> str:
    return Path(example.fields["image"]).relative_to(root.absolute()).parts[0]


def _class(example: Example) -> str:
    return Path(example.fields["image"]).parent.name


def tiny_imagenet(options: Options, seed: int) -> Split:
    """64 classes and 20 others."""
    dataset = read_dataset(options.data.unpacked("images/tiny_imagenet_dev100.zip"))
    order = np.random.default_rng(seed).permutation(len(dataset.identities()))
    return Split(_of(dataset, order[:64]), _of(dataset, order[80:]))


def omniglot(options: Options, seed: int) -> Split:
    """The two sets that are made for it."""
    return Split(
        read_dataset(options.data.unpacked("images/omniglot_background.zip")),
        read_dataset(options.data.unpacked("images/omniglot_evaluation.zip")),
    )


def _of(dataset: Dataset, classes: IntArray) -> Dataset:
    return dataset.subset(np.flatnonzero(np.isin(dataset.labels(), classes)))


def _searched(name: str, split: Split, seed: int, options: Options) -> dict[str, Any]:
    """Figures of all systems on one split."""
    steps = QUICK_STEPS if options.quick else STEPS[name]
    changes = [*ALL_TO_TRAIN, f"seed={seed}", f"train.steps={steps}"]
    config = load_config(None, changes, preset=PRESETS[name])
    bundle = trained_model(f"retrieval-{name}-{seed}", split.known, config, options)
    minutes = bundle.evidence["training"]["seconds"] / 60
    theirs = train_peer(split.known, bundle.config, minutes)
    readers: dict[str, Callable[[Sequence[str]], FloatArray]] = {
        "twinlens": bundle.embed,
        "pml": replace(bundle, siamese=theirs).embed,
        **{one: _baseline(one) for one in BASELINES},
    }
    found = {one: figures(read, split) for one, read in readers.items()}
    print(f"{name}-{seed} {found}", flush=True)
    return {"minutes": minutes, **found}


def train_peer(known: Dataset, config: Config, minutes: float) -> Siamese:
    """The same network, trained by pytorch-metric-learning for as many minutes."""
    torch.manual_seed(config.seed)
    network = build_siamese(config)
    modality = cast(Image, network.modality)
    drawings = modality.background != "photo"
    change = peer.Augmentation(
        modality.size, modality.rotation_rad, modality.scale, modality.shear, modality.shift,
        modality.flip, 0.0 if drawings else modality.brightness,
        0.0 if drawings else modality.contrast,
    )  # fmt: skip
    pictures = peer.Pictures(
        known.refs(),
        known.labels().tolist(),
        turns=modality.variants,
        augmentation=change,
        mode="L" if drawings else "RGB",
        keep=True,
    )
    batches = peer.loader(
        pictures,
        identities=int(cast(int, config.sampler.settings["identities"])),
        examples=int(cast(int, config.sampler.settings["examples"])),
        workers=WORKERS,
    )
    settings: TrainConfig = replace(config.train, steps=MOST_STEPS, max_minutes=minutes)
    loss, miner = MultiSimilarityLoss(), MultiSimilarityMiner()

    def mined(embeddings: Tensor, labels: Tensor) -> Tensor:
        return cast(Tensor, loss(embeddings, labels, miner(embeddings, labels)))

    for _ in peer.train(network, batches, settings, loss_function=mined):
        pass
    return network.eval()


def _baseline(name: str) -> Callable[[Sequence[str]], FloatArray]:
    """What needs no training. Files -> vectors of length 1."""

    def colours(page: Pillow.Image) -> FloatArray:
        values = np.asarray(page.convert("RGB").resize((64, 64))).reshape(-1, 3)
        return np.sqrt(np.histogramdd(values, bins=BINS, range=[(0, 256)] * 3)[0].ravel())

    def gradients(page: Pillow.Image) -> FloatArray:
        grey = to_array(page, size=SIDE, channels=1, fit="stretch", max_side=SIDE)[0]
        return oriented_gradients(grey)

    def pixels(page: Pillow.Image) -> FloatArray:
        values = np.asarray(page.convert("RGB").resize((SIDE, SIDE)), np.float64).ravel()
        return values - values.mean()

    makers: Mapping[str, Callable[[Pillow.Image], FloatArray]] = {
        "colours": colours,
        "HOG": gradients,
        "pixels": pixels,
    }

    def read(refs: Sequence[str]) -> FloatArray:
        values = np.stack([makers[name](read_image(Path(ref))) for ref in refs])
        norm = np.linalg.norm(values, axis=1, keepdims=True) + 1e-9
        return (values / norm).astype(np.float32)

    return read


class _Cosine:
    """Scores vectors of length 1."""

    def score(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return (a * b).sum(axis=1)

    def score_matrix(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return a @ b.T


def figures(read: Callable[[Sequence[str]], FloatArray], split: Split) -> dict[str, float]:
    """Searches among all unseen pictures, and by icons where there are some."""
    labels = split.unseen.labels()
    vectors = read(split.unseen.refs())
    rng = np.random.default_rng(0)
    found = search_all(vectors, labels, _Cosine(), rng)
    told = {
        "map_at_r": float(found.map_at_r.mean()),
        "recall_at_1": float(found.recall_at_1.mean()),
        "map_at_r_expanded": searched_again(vectors, labels),
    }
    if split.icons is not None:
        nearest = (vectors @ read(split.icons).T).argmax(axis=1)
        told["iconic"] = float(np.mean(nearest == labels))
    return told


def searched_again(vectors: FloatArray, labels: IntArray) -> float:
    """Mean average precision at R by queries that the `EXPAND` best of a first search joined."""
    precision: list[FloatArray] = []
    for start in range(0, len(vectors), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(vectors)))
        itself = (np.arange(len(rows)), rows)
        scores = vectors[rows] @ vectors.T
        scores[itself] = -np.inf  # a query does not find itself
        best = np.argsort(-scores, axis=1)[:, :EXPAND]
        joined = np.stack([
            expanded(vectors[row], vectors[found], score[found])
            for row, found, score in zip(rows, best, scores, strict=True)
        ])  # fmt: skip
        again = joined @ vectors.T
        again[itself] = -np.inf
        relevant = labels[rows][:, None] == labels[None]
        relevant[itself] = False
        precision.append(map_at_r(again, relevant))
    return float(np.concatenate(precision).mean())


def metrics_of(name: str, runs: Sequence[dict[str, Any]]) -> list[Metric]:
    """Each figure over seeds; the best of the others is the goal."""

    def mean(system: str, figure: str) -> float:
        return float(np.mean([run[system][figure] for run in runs]))

    made: list[Metric] = []
    for figure in runs[0]["twinlens"]:
        others = {one: mean(one, figure) for one in ("pml", *BASELINES)}
        anchors = [Anchor(value, f"{one}, this run") for one, value in others.items()]
        if figure == "map_at_r_expanded":
            anchors.append(Anchor(mean("twinlens", "map_at_r"), "not expanded"))
        values = [run["twinlens"][figure] for run in runs]
        beyond = 1.1 * others["pml"] if figure == "map_at_r" else None
        made.append(
            over_seeds(
                f"{name}_{figure}",
                values,
                unit="rate",
                goal=max(others.values()),
                beyond=beyond,
                anchors=tuple(anchors),
            )
        )
    return made
