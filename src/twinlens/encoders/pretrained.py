"""A transformer that was trained elsewhere, from a folder on this machine."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from twinlens.encoders.base import Encoder
from twinlens.errors import ConfigError, DataError, TwinlensError
from twinlens.functional.pool import masked_mean
from twinlens.registry import Setting, register
from twinlens.settings import require_at_least

AUTO = "auto"
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
_REMOTE = "auto_map"
"""Key of a configuration that names code to be run."""


@register("encoder", "pretrained")
class Pretrained(Encoder):
    """A model of the library `transformers`, fine-tuned or held still, and a pooling of its steps.

    Reads a folder as `save_pretrained` writes it: config.json and model.safetensors. Nothing is
    fetched, no code of the folder is run and nothing is unpickled. Take the tokeniser from there
    too: modality.tokenizer = FOLDER/tokenizer.json. The weights become part of the model that is
    saved, which does not need the folder again.

    Source:
        Reimers, Gurevych. Sentence-BERT: sentence embeddings using Siamese BERT-networks. EMNLP
        2019, section 3 (pooling).
    """

    axes = (1,)
    reads_tokens = True

    def __init__(
        self,
        channels: int,
        shape: tuple[int, ...] | None,
        *,
        folder: str = "",
        architecture: str = AUTO,
        pooling: Literal["mean", "first"] = "mean",
        frozen: bool = False,
        dim: int = 0,
    ) -> None:
        """Args:
        channels: of the input; 1.
        shape: ignored; any length will do.
        folder: of the trained model; read when training begins, and never again.
        architecture: "auto" is read from the folder; in a model, its config.json.
        pooling: how steps become one embedding: their mean, or the first, as models with a token
            for the whole text have it.
        frozen: whether its weights stay as they are, and only what comes after is trained.
        dim: width of a linear layer after the pooling; 0 = none, which a frozen one needs other
            parts for.

        Raises:
            ConfigError: a setting is out of range, or the architecture is none that is known.
            TwinlensError: transformers is not installed (the extra `pretrained`).
        """
        super().__init__()
        require_at_least(0, {"encoder.dim": dim})
        if architecture == AUTO:
            raise ConfigError(
                'encoder.architecture must be settled to build it. Got "auto", which training '
                "replaces by what encoder.folder holds. Set encoder.folder."
            )
        self.folder, self.pooling, self.frozen = folder, pooling, frozen
        self.model = _built(_checked(architecture, "encoder.architecture"))
        width = int(self.model.config.hidden_size)
        self.head = nn.Linear(width, dim) if dim else None
        self.dim = dim or width
        self.model.requires_grad_(not frozen)

    @classmethod
    def settle(cls, settings: Mapping[str, Setting]) -> dict[str, Setting]:
        if settings["architecture"] != AUTO:
            return dict(settings)
        folder = Path(str(settings["folder"]))
        if not str(settings["folder"]) or not folder.is_dir():
            raise ConfigError(
                "encoder.folder must be the folder of a pretrained model. Got "
                f"{str(settings['folder'])!r}. Name one that is on this machine."
            )
        document = _document(folder)
        _checked(document, str(folder / CONFIG))
        if not any((folder / name).is_file() for name in (WEIGHTS, INDEX)):
            found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
            raise ConfigError(
                f"{folder} must hold {WEIGHTS}. Got {found}. Save the model as safetensors: other "
                "files of weights may run code when they are read."
            )
        return {**settings, "architecture": document}

    def begin(
        self, inputs: Iterator[tuple[Tensor, Tensor | None]], labels: Tensor, claims: Tensor
    ) -> None:
        """Read the weights.

        Raises:
            ConfigError: the folder no longer holds the weights of this architecture.
        """
        library = _library()
        try:
            read = library.AutoModel.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
            _drop_unused(read)
            self.model.load_state_dict(read.state_dict())
        except Exception as error:  # the library raises nearly anything
            raise ConfigError(
                f"encoder.folder must hold the weights of its config.json. Got {self.folder}: "
                f"{str(error).splitlines()[0]}. Copy it anew."
            ) from error

    def train(self, mode: bool = True) -> Pretrained:
        super().train(mode)
        if self.frozen:
            self.model.eval()  # its dropout would be noise to learn from
        return self

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        numbers = values[:, 0].long()  # [batch, time], from 1 on
        real = numbers > 0
        known = int(self.model.config.vocab_size)
        if numbers.numel() and int(numbers.max()) > known:
            raise DataError(
                f"A token must be one of the {known:,} of the pretrained model. Got number "
                f"{int(numbers.max()):,}: the tokeniser is another model's. Set modality.tokenizer "
                "to the tokenizer.json of encoder.folder."
            )
        padding = self.model.config.pad_token_id or 0
        numbers = torch.where(real, numbers - 1, padding)
        steps = self.model(input_ids=numbers, attention_mask=real.long()).last_hidden_state
        if self.pooling == "first":
            pooled = steps[:, 0]
        else:
            pooled = masked_mean(steps.transpose(1, 2), real)
        return pooled if self.head is None else self.head(pooled)  # [batch, dim]


def _document(folder: Path) -> str:
    """The text of a folder's config.json."""
    try:
        return (folder / CONFIG).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{folder} must hold a readable {CONFIG}. Got: {error}. Name the folder of a "
            "pretrained model."
        ) from error


def _checked(document: str, where: str) -> dict[str, Any]:
    """The table of a config.json.

    Raises:
        ConfigError: it is none, or wants code to be run.
    """
    try:
        table: object = json.loads(document)
    except ValueError as error:
        raise ConfigError(f"{where} must be JSON. Got: {error}. Copy the folder anew.") from error
    if not isinstance(table, dict) or not isinstance(cast(Any, table).get("model_type"), str):
        raise ConfigError(f"{where} must name a model_type. Got none. Copy the folder anew.")
    found = cast(dict[str, Any], table)
    if _REMOTE in found:
        raise ConfigError(
            f"{where} must not want code of its own to be run. Got {_REMOTE!r}. Take a model whose "
            "architecture the library transformers knows."
        )
    return found


def _built(table: Mapping[str, Any]) -> Any:
    """The network of an architecture, with fresh weights."""
    library = _library()
    settings = {key: value for key, value in table.items() if key != "model_type"}
    try:
        config = library.AutoConfig.for_model(table["model_type"], **settings)
        model = library.AutoModel.from_config(config, trust_remote_code=False)
    except Exception as error:  # the library raises nearly anything
        raise ConfigError(
            "encoder.architecture must be one that transformers knows. Got "
            f"{table['model_type']!r}: {str(error).splitlines()[0]}."
        ) from error
    _drop_unused(model)
    return model.float()


def _drop_unused(model: Any) -> None:
    """Leave out the layer upon the first step, which no loss here would train."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("transformers")
    except ImportError as error:
        raise TwinlensError(
            "A pretrained encoder needs the package transformers. Got none installed. "
            'Install it with: pip install "twinlens[pretrained]".'
        ) from error
