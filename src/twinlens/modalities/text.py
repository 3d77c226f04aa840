"""Texts of any length and script: questions, sentences, descriptions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twinlens.errors import ConfigError, DataError
from twinlens.functional.spelling import neighbours, strings_of
from twinlens.modalities.base import Array, Modality
from twinlens.modalities.embedding import TokenVectors
from twinlens.modalities.tokens import (
    Level,
    Tokeniser,
    clean,
    learn,
    read_document,
)
from twinlens.modalities.vectors import read_vectors
from twinlens.registry import Setting, register
from twinlens.settings import require, require_at_least, require_share

AUTO = "auto"
_LOST = 1
"""Number of the token that a lost one becomes: the unknown one, of our own tokenisers."""
_STRINGS = 20
"""Strings of letters, for each token that a text may have, that it may have at most."""
_WORD = re.compile(r"\w+")
_BYTES = 256
"""Tokens that a tokeniser of bytes has at least."""


@register("modality", "text")
class Text(Modality):
    """A text as the numbers of its tokens, [1, tokens] int32 from 1 on.

    The example's field is the text itself. It is brought to Unicode's form NFKC, runs of white
    space count as one space, and a tokeniser that is trained on the training texts, and saved with
    the model, cuts it up.
    """

    by_value = True

    def __init__(
        self,
        *,
        level: Level = "bpe",
        vocabulary: int = 8000,
        lowercase: bool = True,
        tokenizer: str = AUTO,
        max_tokens: int = 128,
        prompt: str = "",
        width: int = 64,
        vectors: str = "",
        spelling: bool = True,
        letters: int = 0,
        frozen: bool = False,
        token_dropout: float = 0.05,
        crop: float = 0.0,
        typos: float = 0.0,
    ) -> None:
        """Args:
        level: of tokens: "bpe" are built from bytes, so that no script is unknown; "wordpiece"
            are pieces of words, built from characters, and a word with a character that is rare in
            the training texts is unknown; "word" are whole words, and all others are one unknown
            word.
        vocabulary: tokens at most.
        lowercase: whether upper and lower case are one.
        tokenizer: "auto" is trained on the training texts; or the path of a tokeniser's JSON file
            (BPE, WordPiece, Unigram, words), for which level, vocabulary and lowercase have no
            effect. In a model, that JSON.
        max_tokens: of a text; what follows them is left out.
        prompt: put before each text, as some pretrained encoders want it ("query: ").
        width: numbers of a token's vector.
        vectors: file of word vectors to begin with: text as GloVe or word2vec write it, or NPZ
            with words and vectors; "" begins at random. At level "word" its words are known too,
            while there is room; at the others, those tokens that begin a word take its vector.
        spelling: whether tokens that are spelt alike begin with vectors that are alike, in those
            numbers that `vectors` leaves free: singular and plural, and words with a typo.
        letters: numbers, beside those of tokens, for strings of letters: all of 3 to 5 in a row
            in each word, and the word, follow the tokens by the hash of each; 0 = none. So a word
            that no training text had is told by its parts. For encoders that see no order
            (weighted_average). They follow from the text as it is, so `crop` and `typos` must be
            0, and `token_dropout` loses each string by itself.
        frozen: whether vectors, and how much each token counts, stay as they begin: for few
            texts, which trained vectors know by heart.
        token_dropout: share of tokens that training makes unknown.
        crop: share of texts that training cuts a span from, of half its length or more.
        typos: share of tokens that training replaces by one that is spelt nearly alike.

        Raises:
            ConfigError: a setting is out of range, or they do not go together.
        """
        require_at_least(0, {"modality.letters": letters})
        counts = {"modality.max_tokens": max_tokens, "modality.width": width}
        require_at_least(1, {**counts, "modality.vocabulary": vocabulary})
        if level == "bpe":
            require(vocabulary > _BYTES, "modality.vocabulary", f"above {_BYTES}", vocabulary)
        require_share("modality.token_dropout", token_dropout)
        require_share("modality.typos", typos)
        require(0 <= crop <= 1, "modality.crop", "between 0 and 1", crop)
        if letters and (crop or typos):
            raise ConfigError(
                "modality.letters goes with neither modality.crop nor modality.typos: the strings "
                f"of a word would stay. Got letters={letters}, crop={crop}, typos={typos}. "
                "Set letters=0, or both of them."
            )
        self.max_tokens, self.prompt = max_tokens, prompt
        self.width, self.vectors = width, vectors
        self.spelling, self.letters, self.frozen = spelling, letters, frozen
        self.lowercase = lowercase
        self.token_dropout, self.crop, self.typos = token_dropout, crop, typos
        # Until it is settled it can do what needs no tokeniser: tell what it takes, and refuse it.
        self._document = tokenizer if tokenizer == AUTO else _document(tokenizer)
        self._tokeniser = None if tokenizer == AUTO else Tokeniser(self._document)
        self._spelt_alike: Tensor | None = None

    @classmethod
    def canonical(cls, ref: str) -> str:
        return clean(ref)

    @classmethod
    def settle(cls, settings: Mapping[str, Setting], refs: Sequence[str]) -> dict[str, Setting]:
        given, vectors = str(settings["tokenizer"]), str(settings["vectors"])
        if given != AUTO:
            return {**settings, "tokenizer": _document(given)}
        texts, level = _usable(refs), settings["level"]
        document = learn(
            texts,
            level=level,  # type: ignore[arg-type]
            vocabulary=int(settings["vocabulary"]),  # type: ignore[arg-type]
            lowercase=bool(settings["lowercase"]),
            words=read_vectors(Path(vectors)).words if vectors and level == "word" else (),
        )
        return {**settings, "tokenizer": document}

    @classmethod
    def samples(cls, folder: Path, rng: np.random.Generator) -> list[str]:
        words = ["how", "do", "I", "learn", "to", "sing", "well", "naïve", "学习", "2024", "?"]
        return [" ".join(rng.permutation(words)[:count]) for count in (4, 7, 11, 2)]

    @property
    def preparation(self) -> Mapping[str, Setting]:
        digest = hashlib.sha256(self._document.encode()).hexdigest()
        told = {"tokenizer": digest, "max_tokens": self.max_tokens, "prompt": self.prompt}
        if not self.letters:
            return told
        return {**told, "letters": self.letters, "lowercase": self.lowercase}

    @property
    def channels(self) -> int:
        return 1

    @property
    def shape(self) -> tuple[int, ...] | None:
        return None

    @property
    def tokeniser(self) -> Tokeniser:
        """Of this modality.

        Raises:
            ConfigError: none has been trained yet.
        """
        if self._tokeniser is None:
            raise ConfigError(
                'modality.tokenizer must be a tokeniser to prepare texts. Got "auto", which '
                "training replaces. Train, or name a file."
            )
        return self._tokeniser

    @property
    def vocabulary(self) -> int | None:
        return len(self.tokeniser) + self.letters

    def lift(self) -> TokenVectors:
        return TokenVectors(
            len(self.tokeniser) + self.letters,
            self.width,
            words=self.tokeniser.words(),
            starts=self.tokeniser.starts(),
            unknown=self.tokeniser.unknown,
            vectors=self.vectors,
            frozen=self.frozen,
            spelling=self.spelling,
            strings=self.letters,
        )

    def load(self, ref: str) -> Any:
        return clean(ref)

    def prepare(self, raw: Any) -> Array:
        whole = self._whole(raw)
        numbers = self.tokeniser.numbers(whole, self.max_tokens)
        return np.array([numbers + self._strings(whole)], np.int32)

    def prepare_all(self, raws: Sequence[Any]) -> list[Array]:
        whole = [self._whole(raw) for raw in raws]
        found = self.tokeniser.numbers_of_all(whole, self.max_tokens)
        return [
            np.array([numbers + self._strings(text)], np.int32)
            for numbers, text in zip(found, whole, strict=True)
        ]

    def _strings(self, text: str) -> list[int]:
        """Numbers of the strings of letters in a text, in the order of its words."""
        if not self.letters:
            return []
        first = len(self.tokeniser) + 1
        words = _WORD.findall(text.lower() if self.lowercase else text)[: self.max_tokens]
        found = [first + string for word in words for string in strings_of(word, self.letters)]
        return found[: _STRINGS * self.max_tokens]

    def _whole(self, raw: Any) -> str:
        """A text as the tokeniser sees it."""
        if not isinstance(raw, str):
            raise DataError(f"A text must be a str. Got {type(raw).__name__}. Decode it.")
        return self.prompt + clean(raw)

    def words(self, text: str) -> list[tuple[str, int]]:
        """The words of a text and how many tokens each is; "" for what marks start and end.

        In the order of the tokens, those beyond `max_tokens` too.
        """
        whole = self._whole(text)
        return self.tokeniser.words_of(whole) or [(whole, 1)]

    def describe(self, raw: Any) -> Mapping[str, str]:
        count = len(self.tokeniser.numbers(self.prompt + raw))
        return {"length": "cut" if count > self.max_tokens else "whole"}

    def normalise(self, values: Tensor) -> Tensor:
        return values.to(torch.float32, copy=True)

    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        def drawn(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator)

        count, _, length = values.shape
        real = values > 0
        if self.typos:
            alike = self._neighbours(values.device)[values.long()]
            pick = (drawn(*values.shape) * alike.shape[-1]).long()
            other = alike.gather(-1, pick[..., None]).squeeze(-1).to(values.dtype)
            values = torch.where((drawn(*values.shape) < self.typos) & real, other, values)
        if self.token_dropout:
            lost = (drawn(*values.shape) < self.token_dropout) & real
            values = torch.where(lost, float(_LOST), values)
        if self.crop:
            extent = real.sum(2)  # [batch, 1]
            kept = (extent * (1 + drawn(count, 1)) / 2).ceil()
            start = ((extent - kept + 1) * drawn(count, 1)).floor()
            place = torch.arange(length)
            span = (place >= start[..., None]) & (place < (start + kept)[..., None])
            whole = drawn(count, 1, 1) >= self.crop
            values = torch.where(span | whole, values, 0.0)
        return values

    def _neighbours(self, device: torch.device) -> Tensor:
        """[vocabulary + 1, choices] int64: tokens that are spelt nearly as each is."""
        if self._spelt_alike is None:
            self._spelt_alike = torch.from_numpy(neighbours(self.tokeniser.words()))
        self._spelt_alike = self._spelt_alike.to(device)
        return self._spelt_alike


def _document(tokenizer: str) -> str:
    """The JSON of a tokeniser, given as such or by the path of its file."""
    return tokenizer if tokenizer.startswith("{") else read_document(Path(tokenizer))


def _usable(refs: Sequence[str]) -> list[str]:
    """The texts among `refs`; preparing them will name all that are none.

    Raises:
        DataError: there is none.
    """
    texts: list[str] = []
    failed: DataError | None = None
    for ref in refs:
        try:
            texts.append(clean(ref))
        except DataError as error:
            failed = error
    if not texts:
        raise failed or DataError("A tokeniser must be trained on texts. Got none. Add some.")
    return texts
