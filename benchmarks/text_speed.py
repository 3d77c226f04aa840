"""How fast texts are embedded, against sentence-transformers with the same weights and tokeniser.

A small transformer with random weights embeds 20,000 texts of Quora, WikiQA and MRPC, short and
long, from strings to vectors, on the processors there are. Both sides take the batch
size that suits them best, in turn (A B A B ...), and must agree on every embedding to 1e-4.

* `sentences_per_second_ratio_to_sentence_transformers`: the median of the turns.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from benchmarks.record import Anchor, Metric, Options, Result
from benchmarks.texts import TextPairs, mrpc, quora, wikiqa
from benchmarks.trained import ALL_TO_TRAIN
from twinlens.config import load_config
from twinlens.errors import TrainingError
from twinlens.fit import fit
from twinlens.modalities.tokens import clean
from twinlens.types import FloatArray

TEXTS, QUICK_TEXTS = 20_000, 600
TURNS, QUICK_TURNS = 7, 1
BATCHES = (32, 64, 128, 256)
"""Tried for either side before the turns; the fastest is taken."""
MAX_TOKENS = 128
AGREE = 1e-4
"""How far apart embeddings of both sides may be, in any number."""
SIZES: dict[str, Any] = {
    "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512,
    "max_position_embeddings": 512, "vocab_size": 8000,
}  # fmt: skip
"""Those of the smallest BERT that was published (Turc et al. 2019), with a smaller vocabulary."""
_MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

Encode = Callable[[Sequence[str], int], FloatArray]


def run(options: Options) -> Result:
    """Make a transformer, load it on both sides, and let them take turns."""
    texts = mixed(options, QUICK_TEXTS if options.quick else TEXTS)
    with tempfile.TemporaryDirectory() as place:
        folder = random_transformer(Path(place) / "bert", texts)
        ours, theirs = twinlens_side(folder, texts[:200]), their_side(folder)
        agree(ours, theirs, texts[:200])
        sides = {"twinlens": ours, "sentence_transformers": theirs}
        best = {name: fastest(side, texts[: len(texts) // 5]) for name, side in sides.items()}
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(QUICK_TURNS if options.quick else TURNS):
            for name, side in sides.items():
                rates[name].append(rate(side, texts, best[name]))
    ratios = np.array(rates["twinlens"]) / np.array(rates["sentence_transformers"])
    metrics = (
        Metric(
            "sentences_per_second_ratio_to_sentence_transformers",
            float(np.median(ratios)), "ratio", low=float(ratios.min()), high=float(ratios.max()),
            method=f"least and greatest of {len(ratios)} turns", goal=1.5, beyond=2.5,
            anchors=(Anchor(1.0, "sentence-transformers, same run"),),
        ),
        *(
            Metric(f"sentences_per_second_{name}", float(np.median(found)), "sentences/s")
            for name, found in rates.items()
        ),
    )  # fmt: skip
    details = {"rates": rates, "batch": best, "threads": torch.get_num_threads(), "sizes": SIZES}
    return Result(metrics, details=details)


def mixed(options: Options, count: int) -> list[str]:
    """Distinct texts of three data sets, in a random order."""
    sources = [read(options.data, "train") for read in (quora, wikiqa, mrpc)]
    every = sorted({clean(text) for pairs in sources for text in (*pairs.left, *pairs.right)})
    return [every[i] for i in np.random.default_rng(0).permutation(len(every))[:count]]


def random_transformer(folder: Path, texts: Sequence[str]) -> Path:
    """A BERT with random weights and a tokeniser of these texts, as both sides read them."""
    tokeniser = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokeniser.normalizer, tokeniser.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    trainer = WordPieceTrainer(
        vocab_size=SIZES["vocab_size"], special_tokens=_MARKS, show_progress=False
    )
    tokeniser.train_from_iterator(texts, trainer)
    closing = [(mark, tokeniser.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    tokeniser.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=closing)
    torch.manual_seed(0)
    BertModel(BertConfig(**SIZES)).save_pretrained(folder)
    named = dict(zip(("pad", "unk", "cls", "sep", "mask"), _MARKS, strict=True))
    PreTrainedTokenizerFast(
        tokenizer_object=tokeniser, **{f"{name}_token": mark for name, mark in named.items()}
    ).save_pretrained(folder)
    return folder


def twinlens_side(folder: Path, texts: Sequence[str]) -> Encode:
    """Texts -> embeddings by a model whose encoder is the folder's; its one step moves nothing."""
    settings = [
        *ALL_TO_TRAIN, "modality=text", f'modality.tokenizer="{folder / "tokenizer.json"}"',
        f"modality.max_tokens={MAX_TOKENS}", "encoder=pretrained", f'encoder.folder="{folder}"',
        "comparator=cosine", "loss=infonce", "sampler.batch=4", "train.steps=1", "train.ema=0",
        "train.learning_rate=1e-12", "train.weight_decay=0", "train.precision=float32",
    ]  # fmt: skip
    half = len(texts) // 2
    pairs = TextPairs(tuple(texts[:half]), tuple(texts[half : 2 * half]), np.ones(half))
    dataset = pairs.dataset("texts")
    bundle = fit(dataset, folder.parent / "model", config=load_config(None, settings))
    return lambda these, batch: bundle.embed(list(these), batch_size=batch)


def their_side(folder: Path) -> Encode:
    """Texts -> embeddings by sentence-transformers: the mean of all steps, made a unit vector."""
    library: Any = importlib.import_module("sentence_transformers")
    parts: Any = importlib.import_module("sentence_transformers.sentence_transformer.modules")
    reader = parts.Transformer(str(folder), max_seq_length=MAX_TOKENS)
    pooling = parts.Pooling(SIZES["hidden_size"], pooling_mode="mean")
    modules = [reader, pooling, parts.Normalize()]
    model = library.SentenceTransformer(modules=modules, device="cpu")
    return lambda these, batch: model.encode(
        list(these), batch_size=batch, show_progress_bar=False, convert_to_numpy=True
    )


def agree(ours: Encode, theirs: Encode, texts: Sequence[str]) -> None:
    """Check that both sides make the same of the same texts.

    Raises:
        TrainingError: they do not, so that speeds could not be compared.
    """
    apart = float(np.abs(ours(texts, 32) - theirs(texts, 32)).max())
    if not apart < AGREE:
        raise TrainingError(f"Both sides must agree to {AGREE:g}. Got embeddings {apart:g} apart.")


def fastest(side: Encode, texts: Sequence[str]) -> int:
    """The batch size with the most texts a second."""
    return max(BATCHES, key=lambda batch: rate(side, texts, batch))


def rate(side: Encode, texts: Sequence[str], batch: int) -> float:
    """Texts a second."""
    started = time.perf_counter()
    side(texts, batch)
    return len(texts) / (time.perf_counter() - started)
