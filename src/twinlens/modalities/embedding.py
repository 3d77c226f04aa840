"""Numbers of tokens -> vectors, which are trained or stay as they begin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from twinlens.errors import ConfigError
from twinlens.functional.spelling import spelling_vectors
from twinlens.modalities.base import Lift
from twinlens.modalities.vectors import read_vectors


class TokenVectors(Lift):
    """A vector for each token: a direction, times how much the token counts.

    A token counts at first as its inverse document frequency in the training texts, with a mean of
    1 (strings of letters aside), so a mean over tokens starts as one that is weighed by rarity and
    training goes on from there.

    Source:
        Arora, Liang, Ma. A simple but tough-to-beat baseline for sentence embeddings. ICLR 2017
        (a sentence as the weighted mean of its words, the rare weighing more).
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        *,
        words: Mapping[str, int],
        starts: Mapping[str, int] | None = None,
        unknown: int | None = None,
        vectors: str = "",
        frozen: bool = False,
        spelling: bool = True,
        strings: int = 0,
    ) -> None:
        """Args:
        vocabulary: tokens, numbered from 1.
        width: numbers of a vector.
        words: token -> number.
        starts: word that has a token of its own -> number; None = as `words`.
        unknown: number of the token for all others, which counts next to nothing at first.
        vectors: file of word vectors to begin with; "" = none.
        frozen: whether directions, and what tokens count, stay as they begin.
        spelling: whether words that are spelt alike begin alike, in what vectors leave free.
        strings: how many of the tokens, the last ones, are strings of letters; those of one word
            count about as much together as the word.
        """
        super().__init__()
        self.width = width
        self._words, self._file, self._spelling = words, vectors, spelling
        self._starts = words if starts is None else starts
        self._unknown, self._strings = unknown, strings
        start = torch.randn(vocabulary + 1, width)
        start /= start.norm(dim=1, keepdim=True)
        self.directions = nn.Parameter(start, requires_grad=not frozen)
        self.gains = nn.Parameter(
            torch.zeros(vocabulary + 1), requires_grad=not frozen
        )  # logarithms

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        numbers = values[:, 0].long()  # [batch, time]
        counts = self.gains[numbers].exp() * (numbers > 0)
        vectors = self.directions[numbers] * counts[..., None]  # [batch, time, width]
        return vectors.transpose(1, 2)  # [batch, width, time]

    @torch.no_grad()
    def begin(self, inputs: Iterator[tuple[Tensor, Tensor | None]]) -> None:
        """Count in how many texts each token is, and begin with what is known of its word.

        Raises:
            ConfigError: the vectors are wider than this layer.
            DataError: their file cannot be read.
        """
        texts, found = 0, torch.zeros(len(self.gains))
        for values, _ in inputs:
            texts += len(values)
            for row in values[:, 0].long():
                found[row.unique()] += 1
        rarity = ((texts + 1) / (found + 0.5)).log()
        counts = rarity / rarity[1 : len(rarity) - self._strings].mean()
        if self._unknown is not None:
            counts[self._unknown] = 0  # two unknown words need not be the same one
        if self._strings:
            counts[-self._strings :] *= _STRING
        self.gains.copy_(counts.clamp_min(_LEAST).log())
        known = self._take_vectors() if self._file else 0
        if self._spelling and known < self.width:
            self._take_spelling(known)
        length = self.directions.norm(dim=1, keepdim=True)
        self.directions /= length.clamp_min(_LEAST)

    def _take_vectors(self) -> int:
        """Put the vectors of known words first, and 0 for the others. Returns their width."""
        read = read_vectors(Path(self._file))
        if read.width > self.width:
            raise ConfigError(
                f"modality.width must be at least that of the vectors ({read.width}). Got "
                f"{self.width}. Set modality.width={read.width}."
            )
        centred = torch.from_numpy(read.vectors - read.vectors.mean(0))
        scaled = centred / centred.std() / self.width**0.5  # as long as a random direction
        rows = {word: row for row, word in enumerate(read.words)}
        known = [(number, rows[word]) for word, number in self._starts.items() if word in rows]
        numbers, places = torch.tensor(known, dtype=torch.long).reshape(-1, 2).T
        if read.width < self.width:  # without further numbers a random direction is better than 0
            self.directions[:, : read.width] = 0
        vectors = self.directions[numbers]
        vectors[:, : read.width] = scaled[places]
        self.directions[numbers] = vectors
        return read.width

    def _take_spelling(self, known: int) -> None:
        """Let the numbers after the first `known` tell how words are spelt."""
        words = sorted(self._words, key=lambda word: self._words[word])
        seed = int(torch.randint(2**31, (1,)))
        width = self.width - known
        spelt = torch.from_numpy(spelling_vectors(words, width, np.random.default_rng(seed)))
        numbers = torch.tensor([self._words[word] for word in words])
        self.directions[numbers, known:] = spelt * (width / self.width) ** 0.5


_STRING = 0.2
"""What a string of letters counts to a word: a word of seven letters has 19, at right angles."""
_LEAST = 0.02
"""What a token counts at least, at first: one in every text would count nothing."""
