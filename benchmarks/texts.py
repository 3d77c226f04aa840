"""The text data sets, read as pairs, and the baselines that need no training.

Each is a table of tab-separated values without quoting.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data import DataFolder
from twinlens.bundle import Bundle
from twinlens.data.dataset import Dataset
from twinlens.modalities.tokens import clean
from twinlens.modalities.vectors import WordVectors, read_vectors
from twinlens.types import BoolArray, Example, FloatArray, IntArray, Pairs

QUORA, MRPC, STS = "quora_pairs_sample", "mrpc", "stsbenchmark"
CLINC = "clinc150"
WIKIQA, CQA = "wikiqa", "semeval_cqa_trainpart2"
VECTORS = "glove_twitter_25d_12k"
_LAST_PLACE = 10
"""Of a list; all that stand further down have this one."""
_TOP = 5.0
"""Of the scores of the STS Benchmark."""


@dataclass(frozen=True, slots=True)
class TextPairs:
    """Pairs of texts with how alike they are, from 0 to 1.

    Attributes:
        left, right: the texts.
        grade: [n].
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    grade: FloatArray

    def __len__(self) -> int:
        return len(self.left)

    @property
    def same(self) -> BoolArray:
        """[n] whether a pair counts as the same."""
        return self.grade > 0.5

    @property
    def question(self) -> IntArray:
        """[n] number of the text on the left, the same for the same text."""
        return np.unique(np.array(self.left, dtype=object), return_inverse=True)[1].astype(np.int64)

    def chosen(self, which: BoolArray) -> TextPairs:
        """Some of the pairs. [n] bool."""
        places = np.flatnonzero(which).tolist()
        left, right = (tuple(side[i] for i in places) for side in (self.left, self.right))
        return TextPairs(left, right, self.grade[which])

    def placed(self) -> TextPairs:
        """The same, each text on the right after a word of its own for its place in its list."""
        listed: Counter[str] = Counter()
        marked: list[str] = []
        for left, right in zip(self.left, self.right, strict=True):
            listed[left] += 1
            marked.append(f"§{min(listed[left], _LAST_PLACE)} {right}")
        return TextPairs(self.left, tuple(marked), self.grade)

    def apart_from(self, others: TextPairs) -> TextPairs:
        """The pairs of which neither text is among the others, in whatever case."""
        known = {clean(text).lower() for text in (*others.left, *others.right)}
        new = [known.isdisjoint((clean(a).lower(), clean(b).lower()))
               for a, b in zip(self.left, self.right, strict=True)]  # fmt: skip
        return self.chosen(np.array(new, np.bool_))

    def scores(self, bundle: Bundle) -> FloatArray:
        """By a trained model. -> [n]."""
        texts = {text: row for row, text in enumerate(dict.fromkeys([*self.left, *self.right]))}
        embeddings = bundle.embed(list(texts), batch_size=256)
        rows = [np.array([texts[text] for text in side]) for side in (self.left, self.right)]
        parts = [
            bundle.siamese.score(embeddings[rows[0][i : i + 500]], embeddings[rows[1][i : i + 500]])
            for i in range(0, len(self), 500)
        ]
        return np.concatenate(parts)

    def dataset(self, name: str, *, graded: bool = False) -> Dataset:
        """What is trained on: each pair once; a pair of one text with itself teaches nothing."""
        kept: dict[tuple[str, str], float] = {}
        for a, b, grade in zip(self.left, self.right, self.grade, strict=True):
            left, right = clean(a), clean(b)
            if left != right and (right, left) not in kept:
                kept.setdefault((left, right), float(grade))
        texts = sorted({text for pair in kept for text in pair})
        place = {text: i for i, text in enumerate(texts)}
        grades = np.array(list(kept.values()))
        pairs = Pairs(
            np.array([place[left] for left, _ in kept], np.int64),
            np.array([place[right] for _, right in kept], np.int64),
            grades > 0.5,
            grades if graded else None,
        )
        examples = tuple(Example(text, None, fields={"text": text}) for text in texts)
        return Dataset(Path(name), examples, "pairs", pairs=pairs)


def _table(path: Path) -> Iterable[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        header = next(file).rstrip("\n").split("\t")
        for line in file:
            yield dict(zip(header, line.rstrip("\n").split("\t"), strict=True))


def _pairs(path: Path, columns: tuple[str, str, str], grade: Callable[[str], float]) -> TextPairs:
    rows = [tuple(row[column] for column in columns) for row in _table(path)]
    left, right, label = zip(*rows, strict=True)
    return TextPairs(left, right, np.array(list(map(grade, label))))


def quora(data: DataFolder, side: str) -> TextPairs:
    """Quora's questions, "train", "dev" or "test"; the extra positives count to train."""
    folder, columns = _folder(data, QUORA), ("question1", "question2", "is_duplicate")
    found = _pairs(folder / f"quora_{side}.tsv", columns, float)
    if side != "train":
        return found
    return joined(found, _pairs(folder / "quora_train_extra_positive.tsv", columns, float))


def mrpc(data: DataFolder, side: str) -> TextPairs:
    """News sentences: "train" without, "dev" with the last 500 training pairs, or "test"."""
    name = "test" if side == "test" else "train"
    path = _folder(data, MRPC) / f"mrpc_{name}.tsv"
    found = _pairs(path, ("sentence1", "sentence2", "label"), float)
    last = np.arange(len(found)) >= len(found) - 500
    return {"train": found.chosen(~last), "dev": found.chosen(last)}.get(side, found)


def sts(data: DataFolder, side: str) -> TextPairs:
    """Graded sentences, "train", "dev" or "test"."""
    path = _folder(data, STS) / f"stsb_{side}.tsv"
    return _pairs(path, ("sentence1", "sentence2", "score"), lambda text: float(text) / _TOP)


def wikiqa(data: DataFolder, side: str) -> TextPairs:
    """Questions (left) and sentences of an article, "train", "dev" or "test"."""
    path = _folder(data, WIKIQA) / f"wikiqa_{side}.tsv"
    return _pairs(path, ("question", "sentence", "label"), float)


def cqa(data: DataFolder, part: str) -> TextPairs:
    """Questions of a forum (left) and comments (part "A") or related questions (part "B")."""
    name, columns, right = {
        "A": ("subtaskA_question_comment", ("comment",), ("Good",)),
        "B": (
            "subtaskB_question_question",
            ("related_subject", "related_body"),
            ("PerfectMatch", "Relevant"),
        ),
    }[part]
    rows = list(_table(_folder(data, CQA) / f"{name}.tsv"))
    left = [f"{row['question_subject']} {row['question_body']}" for row in rows]
    other = [" ".join(row[column] for column in columns) for row in rows]
    grade = np.array([float(row["label"] in right) for row in rows])
    return TextPairs(tuple(left), tuple(other), grade)


def clinc(data: DataFolder, side: str) -> list[tuple[str, str]]:
    """Distinct utterances of CLINC150 with the intent of each, "train", "test" or "oos_test"."""
    path = _folder(data, CLINC) / f"clinc150_{side}.tsv"
    return list({clean(row["text"]): row["intent"] for row in _table(path)}.items())


def vectors_file(data: DataFolder) -> Path:
    """The small word vectors; from here, where they lie below, since settings are recorded."""
    path = _folder(data, VECTORS) / "glove_twitter_25d.npz"
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def joined(one: TextPairs, other: TextPairs) -> TextPairs:
    """The pairs of both."""
    grade = np.concatenate([one.grade, other.grade])
    return TextPairs(one.left + other.left, one.right + other.right, grade)


def _folder(data: DataFolder, name: str) -> Path:
    return data.unpacked(f"other/{name}.zip")


def words(text: str) -> list[str]:
    """Lower-case words and single signs.

    >>> words("Don't stop!")
    ['don', "'", 't', 'stop', '!']
    """
    return re.findall(r"\w+|[^\w\s]", text.lower())


def document_frequency(texts: Iterable[str]) -> tuple[Counter[str], int]:
    """In how many of the texts each word is, and how many texts there are."""
    counts: Counter[str] = Counter()
    number = 0
    for text in texts:
        counts.update(set(words(text)))
        number += 1
    return counts, number


def f1(said: BoolArray, same: BoolArray) -> float:
    """Of the class "same". [n] each."""
    return float(2 * (said & same).sum() / max(1, int(said.sum() + same.sum())))


def tfidf_scores(pairs: TextPairs, train: TextPairs) -> FloatArray:
    """Cosine of bags of words weighed by inverse document frequency in the training texts."""
    counts, number = document_frequency([*train.left, *train.right])

    def bag(text: str) -> Mapping[str, float]:
        found = Counter(words(text))
        return {w: n * math.log((number + 1) / (counts[w] + 0.5)) for w, n in found.items()}

    def cosine(a: Mapping[str, float], b: Mapping[str, float]) -> float:
        length = math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
        return sum(v * b[w] for w, v in a.items() if w in b) / length if length else 0.0

    return np.array([cosine(bag(a), bag(b)) for a, b in zip(pairs.left, pairs.right, strict=True)])


def bm25_scores(
    pairs: TextPairs, candidates: Sequence[str], *, k: float = 1.2, b: float = 0.75
) -> FloatArray:
    """Okapi BM25 of the right text for the words of the left one.

    Source:
        Robertson, Zaragoza. The probabilistic relevance framework: BM25 and beyond. 2009.
    """
    counts, number = document_frequency(candidates)
    mean = float(np.mean([len(words(text)) for text in candidates]))

    def score(query: str, text: str) -> float:
        found = Counter(words(text))
        size = k * (1 - b + b * sum(found.values()) / mean)
        return sum(
            math.log(1 + (number - counts[w] + 0.5) / (counts[w] + 0.5))
            * found[w] * (k + 1) / (found[w] + size)
            for w in set(words(query))
            if w in found
        )  # fmt: skip

    return np.array([score(q, a) for q, a in zip(pairs.left, pairs.right, strict=True)])


def averaged_scores(pairs: TextPairs, vectors: WordVectors) -> FloatArray:
    """Cosine of the mean vectors of the words that have one."""
    left, right = (unit(mean_vectors(side, vectors)) for side in (pairs.left, pairs.right))
    return (left * right).sum(1)


def mean_vectors(texts: Sequence[str], vectors: WordVectors) -> FloatArray:
    """The mean of the words of each text that have a vector; 0 where none has. -> [n, width]."""
    row = {word: i for i, word in enumerate(vectors.words)}

    def mean(text: str) -> FloatArray:
        known = [row[word] for word in words(text) if word in row]
        return vectors.vectors[known].mean(0) if known else np.zeros(vectors.width, np.float32)

    return np.stack([mean(text) for text in texts])


def unit(vectors: FloatArray) -> FloatArray:
    """Each row as long as 1, or 0. [n, width]."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def word_vectors(data: DataFolder) -> WordVectors:
    """The small word vectors, read."""
    return read_vectors(vectors_file(data))
