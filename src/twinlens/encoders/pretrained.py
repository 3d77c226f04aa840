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
_POOLER = "pooler."
"""Begins the names of weights that are not used: see `_drop_unused`."""
_NAMED = 3
"""Missing weights that a message names."""
_PLACES = ("position_embeddings", "embed_positions", "wpe")
"""Names of a table with a vector for each position."""


@register("encoder", "pretrained")
class Pretrained(Encoder):
    """A model of the library `transformers`, fine-tuned or held still, and a pooling of its steps.

    Reads a folder as `save_pretrained` writes it: config.json and model.safetensors. Nothing is
    fetched, no code of the folder is run and nothing is unpickled. Take the tokeniser from there
    too: modality.tokenizer = FOLDER/tokenizer.json. The weights become part of the model that is
    saved, which does not need the folder again. Every weight must be there but those of a pooler,
    which is not used.

    A model that numbers its positions takes so many tokens and no more. Longer texts, on any side
    of the split, are refused before training; later ones are cut there, as modality.max_tokens
    does it.

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
        self.positions = _positions(self.model)
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
            read, found = library.AutoModel.from_pretrained(
                self.folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
            _drop_unused(read)
            self.model.load_state_dict(read.state_dict())
        except Exception as error:  # the library raises nearly anything
            raise ConfigError(
                f"encoder.folder must hold the weights of its config.json. Got {self.folder}: "
                f"{str(error).splitlines()[0]}. Copy it anew."
            ) from error
        # the library makes up at random what it does not find
        missing = sorted(name for name in found["missing_keys"] if not name.startswith(_POOLER))
        if missing:
            more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
            raise ConfigError(
                f"encoder.folder must hold every weight of its config.json. Got {self.folder} "
                f"without {', '.join(missing[:_NAMED])}{more}. Copy it anew."
            )

    def train(self, mode: bool = True) -> Pretrained:
        super().train(mode)
        if self.frozen:
            self.model.eval()  # its dropout would be noise to learn from
        return self

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        self.require_axes(values.ndim - 2)
        numbers = self._cut(values[:, 0].long())  # [batch, time], from 1 on
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

    def _cut(self, numbers: Tensor) -> Tensor:
        """The tokens that there are positions for: the first, and the last, which marks the end.

        Args:
            numbers: [batch, time] int64, 0 where padded.
        """
        most = self.positions
        if most is None or numbers.shape[1] <= most:
            return numbers
        place = torch.arange(numbers.shape[1], device=numbers.device)
        last = torch.where(numbers > 0, place, 0).amax(1, keepdim=True)  # [batch, 1]
        end = torch.where(last < most, numbers[:, most - 1 : most], numbers.gather(1, last))
        return torch.cat([numbers[:, : most - 1], end], 1)  # [batch, most]


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


def _positions(model: Any) -> int | None:
    """Tokens that a model has positions for; None where any number will do, as of rotary ones."""
    found: list[int] = []
    most = getattr(model.config, "max_position_embeddings", None)
    for name, part in model.named_modules():
        if name.rpartition(".")[2] in _PLACES and isinstance(part, nn.Embedding):
            # RoBERTa counts from behind the number that stands for padding, BART from an offset
            first = 0 if part.padding_idx is None else part.padding_idx + 1
            rows = part.num_embeddings - max(first, int(getattr(part, "offset", 0)))
            found.append(rows if most is None else min(rows, int(most)))
    return min(found, default=None)


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
