"""The artifact: one folder that holds a whole model, loads without pickle, notices a changed byte.

config.toml          every setting: components by name, how inputs are prepared, training
model.safetensors    weights and buffers
evidence.json        on whom it was trained and tested, how training went, how good it is
calibration.json     what a score means: probabilities, thresholds, their evidence; may be absent
cohort.safetensors   embeddings that scores are normalised by, where the calibration says so
card.md              the same in words
KIND.SETTING.txt     a setting too long for config.toml, as a tokeniser; may be absent
MANIFEST             format, fingerprint, and the SHA-256 of every other file
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import PIL.Image
import tomli_w
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from twinlens.assemble import build_siamese
from twinlens.atomic import new_folder
from twinlens.calibration import Calibration, Cohort, Normalised, normalised_by
from twinlens.card import card
from twinlens.config import Config, from_table, to_table
from twinlens.data.behind import behind
from twinlens.data.cache import Progress
from twinlens.data.memory import by_size
from twinlens.documents import is_document, put_back, taken_out
from twinlens.errors import BundleError, ConfigError, DataError
from twinlens.modalities.base import Array
from twinlens.registry import Component, Kind, lookup, source_of
from twinlens.siamese import Siamese
from twinlens.training.workplace import CHECKPOINT
from twinlens.types import FloatArray, Scorer

FORMAT = 1
MANIFEST = "MANIFEST"
CONFIG, WEIGHTS, EVIDENCE, CARD = "config.toml", "model.safetensors", "evidence.json", "card.md"
CALIBRATION, COHORT = "calibration.json", "cohort.safetensors"
FILES = (CONFIG, WEIGHTS, EVIDENCE, CARD)
_SERVED: tuple[Kind, ...] = ("modality", "encoder", "comparator")
"""What a model needs to answer; a loss or miner of a plugin is needed for training only."""
BATCH_SIZE = 64
"""Inputs decoded and embedded at once, which bounds the memory that embedding takes."""
_WINDOW = 512
"""Batches of values that are prepared and sorted by size together."""

Input = str | Path | PIL.Image.Image | npt.NDArray[np.generic]
"""What a model compares: a path, a text, a picture in memory, or an array that the modality
prepares."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained Siamese network with all that belongs to it.

    Safe to use from several threads: nothing changes after loading.

    Attributes:
        siamese: the network, in evaluation mode.
        config: resolved; what the network was trained with.
        evidence: what is known of the training and of its test.
        calibration: what a score means; None when nothing was kept to fit it on.
        cohort: that its scores are normalised by; None where they are not.
        fingerprint: of encoder weights, preparation and comparator, 16 hex digits. Whatever was
            computed under another fingerprint does not belong to this model.
    """

    siamese: Siamese
    config: Config
    evidence: Mapping[str, Any]
    fingerprint: str
    calibration: Calibration | None = None
    cohort: Cohort | None = None

    @classmethod
    def load(cls, path: Path | str) -> Bundle:
        """Read a bundle and check every byte of it.

        Raises:
            BundleError: it is missing, incomplete, changed, damaged, or of another version.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        names = [*FILES, *filter(_is_optional, manifest["files"])]
        content = {name: _read_checked(path, name, manifest["files"]) for name in names}
        documents = {name: content[name].decode() for name in names if is_document(name)}
        try:
            table = put_back(tomllib.loads(content[CONFIG].decode()), documents)
            config = from_table(table, kinds=_SERVED)
            with torch.random.fork_rng(devices=[]):  # the first weights are replaced at once
                siamese = build_siamese(config)
        except ConfigError as error:
            raise BundleError(
                f"{path} must name components that are known. {error} "
                "If it was trained with a plugin, name it: --plugin FILE."
            ) from error
        _load_weights(siamese, content[WEIGHTS], path)
        found = fingerprint(siamese, config)
        if found != manifest["fingerprint"]:
            raise BundleError(
                f"{path} must give the fingerprint {manifest['fingerprint']}. Got {found}: a "
                "component is not the one it was trained with. Load it with the same version and "
                "plugin."
            )
        calibration = cohort = None
        if CALIBRATION in content:
            calibration = Calibration.from_dict(json.loads(content[CALIBRATION]))
            _require_own(calibration, found, path)
            cohort = _cohort(calibration, content.get(COHORT), siamese.dim, path)
        evidence = json.loads(content[EVIDENCE])
        return cls(siamese.eval(), config, evidence, found, calibration, cohort)

    @classmethod
    def save(
        cls,
        path: Path,
        *,
        siamese: Siamese,
        config: Config,
        evidence: Mapping[str, Any],
        calibration: Calibration | None = None,
        cohort: Cohort | None = None,
        overwrite: bool = False,
    ) -> Bundle:
        """Write a bundle; it appears whole or not at all.

        Raises:
            BundleError: `path` exists and may not be replaced, the weights are not finite, or the
                calibration is of another model or of another cohort.
            WriteError: it cannot be written.
        """
        cls.require_free(path, overwrite=overwrite)
        _require_finite(siamese, str(path))
        mark = fingerprint(siamese, config)
        tensors = {name: tensor.contiguous().clone() for name, tensor in siamese.weights()}
        table, documents = taken_out(to_table(config))
        content = {
            **{name: text.encode() for name, text in documents.items()},
            CONFIG: tomli_w.dumps(table).encode(),
            WEIGHTS: save_tensors(tensors),
            EVIDENCE: _json(evidence),
            CARD: card(config, evidence, calibration, mark).encode(),
        }
        if calibration is not None:
            _require_own(calibration, mark, path)
            content[CALIBRATION] = _json(calibration.to_dict())
            if cohort is not None and calibration.normalisation is not None:
                content[COHORT] = cohort.to_bytes()
            cohort = _cohort(calibration, content.get(COHORT), siamese.dim, path)
        files = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        content[MANIFEST] = _json({"format": FORMAT, "fingerprint": mark, "files": files})
        with new_folder(path, overwrite=overwrite) as place:
            for name, data in content.items():
                (place / name).write_bytes(data)
        return cls(siamese.eval(), config, evidence, mark, calibration, cohort)

    @staticmethod
    def require_free(path: Path, *, overwrite: bool) -> None:
        """Check that a bundle may be written to `path`.

        Raises:
            BundleError: something is there and may not be replaced.
        """
        if not path.exists():
            return
        if not overwrite:
            raise BundleError(
                f"{path} must not exist. Got something there. Choose another --out, or replace "
                "it with --overwrite."
            )
        if not _may_be_replaced(path):
            raise BundleError(
                f"{path} must be a model to be replaced by one. Got something else, which is "
                "left alone. Choose another --out."
            )

    def embed(
        self,
        inputs: Sequence[Input],
        *,
        batch_size: int = BATCH_SIZE,
        progress: Progress | None = None,
    ) -> FloatArray:
        """Embeddings of inputs, in order. -> [n, dim] float32.

        Args:
            inputs: paths, pictures or arrays.
            batch_size: how many are embedded at once, while the next are read.
            progress: told of (done, all).

        Raises:
            DataError: an input cannot be read or prepared; names the file.
            BundleError: the weights make NaN of it.
        """
        embeddings = np.zeros((len(inputs), self.siamese.dim), np.float32)
        # A value is small once prepared: many are sorted by size, so that little is padded.
        at_once = batch_size * (_WINDOW if self.siamese.modality.by_value else 1)
        parts = [inputs[start : start + at_once] for start in range(0, len(inputs), at_once)]
        done = 0
        make = partial(self.embed_prepared, batch_size=batch_size)
        for rows in behind(self._prepared, make, parts):
            embeddings[done : done + len(rows)] = rows
            done += len(rows)
            if progress is not None:
                progress(done, len(inputs))
        return embeddings

    def embed_prepared(self, arrays: Sequence[Array], batch_size: int = BATCH_SIZE) -> FloatArray:
        """Embeddings of what `prepared` made, in order, those of a size together. -> [n, dim].

        Raises:
            BundleError: the weights make NaN of it.
        """
        embeddings = np.zeros((len(arrays), self.siamese.dim), np.float32)
        order = by_size([array.shape for array in arrays])
        for first in range(0, len(arrays), batch_size):
            rows = order[first : first + batch_size]
            batch = self.siamese.modality.collate([arrays[row] for row in rows])
            embeddings[rows] = self.siamese.embed(batch)
        return embeddings

    def score(self, a: Input, b: Input) -> float:
        """How alike two inputs are; larger = more alike.

        The same from both sides, but where the comparator is not symmetric or scores are
        normalised by one side only (z, t).

        Raises:
            DataError: an input cannot be read or prepared; names the file.
        """
        left, right = self.measured(self.embed([a, b]))
        return float(self.scorer.score(left[None], right[None])[0])

    @property
    def normalised(self) -> Normalised | None:
        """What normalises this model's scores; None where they are taken as they are."""
        return normalised_by(self.siamese, self.calibration, self.cohort)

    @property
    def scorer(self) -> Scorer:
        """What scores embeddings that `measured` gave, as the calibration takes scores."""
        return self.normalised or self.siamese

    def measured(self, embeddings: FloatArray) -> FloatArray:
        """Embeddings as `scorer` takes them. [n, dim] -> [n, dim], or wider where normalised."""
        normalised = self.normalised
        return embeddings if normalised is None else normalised.measured(embeddings)

    def prepared(self, item: Input, look: Callable[[object], None] | None = None) -> Array:
        """An input as an array that can be embedded.

        Args:
            item: a path, a picture or an array.
            look: shown what was read before it is prepared, so that it is read once; may raise a
                DataError.

        Raises:
            DataError: it cannot be read or prepared; names the file.
        """
        raw = self.raw(item)
        try:
            if look is not None:
                look(raw)
            return self.siamese.modality.prepare(raw)
        except DataError as error:
            if not isinstance(item, (str, Path)):
                raise
            raise DataError(f"{item}: {error}") from error

    def _prepared(self, items: Sequence[Input]) -> list[Array]:
        """Inputs as arrays; values, which are small and which errors quote, all at once."""
        if self.siamese.modality.by_value:
            return self.siamese.modality.prepare_all([self.raw(item) for item in items])
        return [self.prepared(item) for item in items]

    def raw(self, item: Input) -> object:
        """What the modality prepares: a path is read, a picture or an array stays as it is."""
        return self.siamese.modality.load(str(item)) if isinstance(item, (str, Path)) else item


def _may_be_replaced(path: Path) -> bool:
    """Whether it is an empty folder, or a model and nothing else; a damaged one is one too."""
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir()}
    if not names:
        return True
    known = {MANIFEST, *FILES, *filter(_is_optional, names)}
    if not names <= known or MANIFEST not in names:
        return False
    return b'"fingerprint"' in (path / MANIFEST).read_bytes()


def _is_optional(name: str) -> bool:
    return name in (CALIBRATION, COHORT) or is_document(name)


def fingerprint(siamese: Siamese, config: Config) -> str:
    """16 hex digits that change whenever a score might: the parts are hashed apart, then together.

    Parts: the encoder (settings and weights), the preparation of inputs, the comparator.
    """
    parts = (
        _part("encoder", config.encoder, siamese.encoder.state_dict()),
        siamese.modality.fingerprint(),
        _part("comparator", config.comparator, siamese.comparator.state_dict()),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _part(kind: Kind, component: Component, tensors: Mapping[str, Tensor]) -> str:
    found = lookup(kind, component.name)
    source = source_of(found)
    neutral: Mapping[str, object] = found.neutral
    settings = {
        name: value
        for name, value in sorted(component.settings.items())
        if name not in neutral or value != neutral[name]
    }
    digest = hashlib.sha256(_json([component.name, settings, source]))
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _require_own(calibration: Calibration, mark: str, path: Path) -> None:
    if calibration.fingerprint != mark:
        raise BundleError(
            f"The calibration in {path} must be of the model {mark}. Got one of "
            f"{calibration.fingerprint}. Calibrate this model."
        )


def _cohort(calibration: Calibration, data: bytes | None, dim: int, path: Path) -> Cohort | None:
    """The cohort that a calibration names, if it names one."""
    if calibration.normalisation is None:
        return None
    if data is None:
        raise BundleError(
            f"{path} must hold the cohort that its scores are normalised by. Got no {COHORT}. "
            "Calibrate again with --cohort, or restore it from a copy."
        )
    return Cohort.from_bytes(data, calibration.normalisation, dim, where=str(path / COHORT))


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise BundleError(
            f"A model must be a folder that `twinlens train` wrote. Got {path}, which is "
            f"{'a file' if path.exists() else 'not there'}. Correct the path."
        )
    try:
        manifest: Any = json.loads((path / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        unfinished = (path / CHECKPOINT).exists()
        raise BundleError(
            f"A model must hold a {MANIFEST}. Got none in {path}. "
            + ("Its training is not finished: go on with --resume." if unfinished else
               "Name the folder that `twinlens train` wrote.")
        ) from error  # fmt: skip
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path / MANIFEST} must be readable JSON. Got: {error}. Restore it from a copy."
        ) from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{path / MANIFEST} must be a JSON object. Got something else.")
    table = cast(dict[str, Any], manifest)
    if table.get("format") != FORMAT:
        raise BundleError(
            f"{path} must be of format {FORMAT}. Got {table.get('format')!r}. "
            "Load it with the version of twinlens that wrote it, or train again."
        )
    files, mark = table.get("files"), table.get("fingerprint")
    if not isinstance(files, dict) or not isinstance(mark, str) or not set(FILES) <= {*files}:
        raise BundleError(
            f"{path / MANIFEST} must list {', '.join(FILES)} and a fingerprint. Got something "
            "else. Restore it from a copy."
        )
    return table


def _read_checked(path: Path, name: str, hashes: Mapping[str, str]) -> bytes:
    """The bytes of one file, if they are those that the manifest names."""
    try:
        data = (path / name).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path / name} must be readable. Got: {error.strerror}. Restore it from a copy."
        ) from error
    if hashlib.sha256(data).hexdigest() != hashes[name]:
        raise BundleError(
            f"{path / name} must be the file that {MANIFEST} names. Got another content: it was "
            "changed or damaged. Restore it from a copy."
        )
    return data


def _load_weights(siamese: Siamese, data: bytes, path: Path) -> None:
    try:
        siamese.load_state_dict(load_tensors(data))
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(
            f"{path / WEIGHTS} must hold the tensors of the network that {CONFIG} describes. "
            f"Got others: {str(error).splitlines()[-1].strip()} Restore it from a copy."
        ) from error
    _require_finite(siamese, str(path / WEIGHTS))


def _require_finite(siamese: Siamese, where: str) -> None:
    for name, tensor in siamese.weights():
        if not torch.isfinite(tensor).all():
            raise BundleError(
                f"The weights in {where} must be finite. Got NaN or infinity in {name}. Train "
                "again, with a lower train.learning_rate, or restore the model from a copy."
            )
