"""Texts -> numbers of tokens, by tokenisers that are kept as JSON."""

from __future__ import annotations

import importlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from twinlens.errors import ConfigError, DataError, TwinlensError, shortened

Level = Literal["bpe", "wordpiece", "word"]

MOST_CHARACTERS = 1_000_000
"""Of a text; one above is refused."""
UNKNOWN = "[UNK]"
"""The token that stands for all that a tokeniser does not know. Its number is 1 in our own."""

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""Scripts that put no spaces between words, as the names of their characters begin."""
_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Categories of characters that show nothing, as the space of no width (U+200B)."""
_START = "Ġ"
"""Marks a token of bytes before which there is a space."""
_FURTHER = "##"
"""Marks a piece that goes on with a word."""


def clean(text: str) -> str:
    """A text in Unicode's form NFKC, each run of white space one space, none at the ends.

    >>> clean("  ﬁrst\\tline\\u00a0 ")
    'first line'

    Raises:
        DataError: nothing that can be seen is left, or it holds what is no text.
    """
    if len(text) > MOST_CHARACTERS:
        raise DataError(
            f"A text must have at most {MOST_CHARACTERS:,} characters. Got {len(text):,} in "
            f"{shortened(text)!r}. Cut it into parts."
        )
    if "\0" in text:
        raise DataError(
            f"A text must not hold the character NUL. Got {shortened(text)!r}: it may be a binary "
            "file, or UTF-16. Save it as UTF-8."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"A text must be valid Unicode. Got bytes that are not UTF-8, in {shortened(text)!a}. "
            "Save it as UTF-8."
        ) from error
    found = " ".join(unicodedata.normalize("NFKC", text).split())
    if not any(map(_is_shown, found)):
        raise DataError(f"A text must not be empty. Got {shortened(text)!r}. Fill or remove it.")
    return found


def _is_shown(character: str) -> bool:
    """Whether something of it can be seen: no space, and nothing that only steers the others."""
    return unicodedata.category(character) not in _UNSEEN


def learn(
    texts: Sequence[str],
    *,
    level: Level,
    vocabulary: int,
    lowercase: bool,
    words: Sequence[str] = (),
) -> str:
    """A tokeniser that is trained on texts, as JSON. The same texts give the same one.

    Args:
        texts: cleaned.
        level: "bpe" builds tokens from bytes, so that no text is unknown to it; "wordpiece" builds
            them from characters, so that a word with a rare one is unknown; "word" takes whole
            words.
        vocabulary: tokens at most.
        lowercase: whether upper and lower case are one.
        words: further ones to know at level "word", while there is room.

    Source:
        Sennrich, Haddow, Birch. Neural machine translation of rare words with subword units. ACL
        2016. Devlin, Chang, Lee, Toutanova. BERT. NAACL 2019 (pieces of words, the longest first).
    """
    library = _library()
    steps = [library.normalizers.NFKC()]
    if lowercase:
        steps.append(library.normalizers.Lowercase())
    if level == "wordpiece":  # else a Chinese sentence would be one word
        steps.append(
            library.normalizers.BertNormalizer(
                clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
            )
        )
    normaliser = library.normalizers.Sequence(steps)
    if level == "bpe":
        return _learn_bytes(texts, normaliser, vocabulary)
    if level == "wordpiece":
        return _learn_pieces(texts, normaliser, vocabulary)
    split = library.pre_tokenizers.Whitespace()
    ordered = _by_count(_word_counts(texts, normaliser, split))
    known = list(dict.fromkeys([UNKNOWN, *ordered, *words]))[:vocabulary]
    numbers = {word: number for number, word in enumerate(known)}
    model = library.models.WordLevel(numbers, unk_token=UNKNOWN)
    return _assembled(model, normaliser, split).to_str()


def _learn_bytes(texts: Sequence[str], normaliser: Any, vocabulary: int) -> str:
    """A tokeniser of bytes, and of what is most often in a row of them."""
    library = _library()
    split = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokeniser = _assembled(library.models.BPE(), normaliser, split)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[UNKNOWN],
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokeniser.train_from_iterator(texts, trainer)
    return tokeniser.to_str()


def _learn_pieces(texts: Sequence[str], normaliser: Any, vocabulary: int) -> str:
    """A tokeniser of characters, and of what is most often in a row of them within words.

    The library numbers those characters that go on with a word in the order in which a hash table
    has them, which is another at each run, and settles ties by these numbers. So they are given to
    it beforehand, as special tokens; the model that is made of the vocabulary has none of those.
    The most frequent characters, alone and going on, take half of the vocabulary at most.
    """
    library = _library()
    split = library.pre_tokenizers.BertPreTokenizer()
    counts = _word_counts(texts, normaliser, split)
    letters: Counter[str] = Counter()
    for word, count in counts.items():
        for letter in word:
            letters[letter] += count
    alphabet = _by_count(letters)[: vocabulary // 4]
    joined = {letter for word in counts if len(word) > 1 for letter in word}
    trainer = library.trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[UNKNOWN, *(_FURTHER + letter for letter in alphabet if letter in joined)],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=_FURTHER,
        show_progress=False,
    )
    trained = _assembled(library.models.WordPiece(unk_token=UNKNOWN), normaliser, split)
    trained.train_from_iterator(texts, trainer)
    model = library.models.WordPiece(
        trained.get_vocab(), unk_token=UNKNOWN, continuing_subword_prefix=_FURTHER
    )
    return _assembled(model, normaliser, split).to_str()


def _assembled(model: Any, normaliser: Any, split: Any) -> Any:
    tokeniser = _library().Tokenizer(model)
    tokeniser.normalizer, tokeniser.pre_tokenizer = normaliser, split
    return tokeniser


def _word_counts(texts: Sequence[str], normaliser: Any, split: Any) -> Counter[str]:
    return Counter(
        word for text in texts for word, _ in split.pre_tokenize_str(normaliser.normalize_str(text))
    )


def _by_count(counts: Counter[str]) -> list[str]:
    """The most frequent first, and those that are as frequent in the order of their characters."""
    return sorted(counts, key=lambda key: (-counts[key], key))


def read_document(path: Path) -> str:
    """The JSON of a tokeniser file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f'modality.tokenizer must be "auto" or a tokeniser as JSON. Got {path}: {error}.'
        ) from error


class Tokeniser:
    """A tokeniser of the library `tokenizers`; its numbers are counted from 1.

    Args:
        document: its JSON.

    Raises:
        ConfigError: it is no such JSON.
    """

    def __init__(self, document: str) -> None:
        library = _library()
        try:
            self._inner: Any = library.Tokenizer.from_str(document)
        except Exception as error:  # the library raises nothing narrower
            raise ConfigError(
                "modality.tokenizer must be the JSON of a tokeniser, as the library tokenizers "
                f"saves it. Got {shortened(document)!r}: {error}."
            ) from error
        self._inner.no_padding()
        self._inner.no_truncation()
        last = self._inner.encode("a").special_tokens_mask[::-1]
        self._closing = next((i for i, special in enumerate(last) if not special), 0)

    def __len__(self) -> int:
        return self._inner.get_vocab_size()

    def numbers(self, text: str, most: int | None = None) -> list[int]:
        """The tokens of a cleaned text, each in 1 … len(self); at least one.

        Args:
            text: cleaned.
            most: of them; what is left out stands before those that close every text, as of BERT.
        """
        return self._counted(self._inner.encode(text), most)

    def numbers_of_all(self, texts: Sequence[str], most: int) -> list[list[int]]:
        """The same of many texts, on all processors."""
        return [self._counted(found, most) for found in self._inner.encode_batch_fast(list(texts))]

    def _counted(self, encoded: Any, most: int | None) -> list[int]:
        found = [number + 1 for number in encoded.ids] or [1]
        if most is None or len(found) <= most:
            return found
        closing = min(self._closing, most - 1)
        return found[: most - closing] + found[len(found) - closing :]

    def words_of(self, text: str) -> list[tuple[str, int]]:
        """The words of a cleaned text as they are written there, and how many tokens each is.

        In the order of the tokens; "" for each of those that mark start and end. Where a script
        puts no spaces, the characters of a token are a word.
        """
        encoded = self._inner.encode(text)
        found: list[tuple[int, int, int]] = []  # start, end, tokens
        last: int | None = None
        for (start, end), word in zip(encoded.offsets, encoded.word_ids, strict=True):
            if found and word is not None and word == last and _within(text, found[-1][:2], start):
                begun, ended, count = found[-1]
                found[-1] = (begun, max(ended, end), count + 1)
            else:
                found.append((start, end, 1))
            last = word
        return [(text[start:end].strip(), count) for start, end, count in found]

    def words(self) -> dict[str, int]:
        """Token -> number."""
        return {word: number + 1 for word, number in self._inner.get_vocab().items()}

    def starts(self) -> dict[str, int]:
        """Word, or the first part of words -> number of its token.

        Tokens of bytes mark where a word begins; where no token has the mark, each is a word.
        """
        words = self.words()
        marked = {w: n for w, n in words.items() if w.startswith(_START) and w != _START}
        if not marked:
            return words
        written = _library().decoders.ByteLevel()  # bytes above 127 are other letters in a token
        return {written.decode([word]).strip(): number for word, number in marked.items()}

    @property
    def unknown(self) -> int | None:
        """Number of the token that stands for all that is not known, if there is one."""
        return self.words().get(UNKNOWN)


def _within(text: str, word: tuple[int, int], start: int) -> bool:
    """Whether the token that starts there goes on with a word, and does not begin one."""
    if start < word[1] or not text[slice(*word)].strip():  # within a character; after a space
        return True
    beside = text[start - 1 : start + 1]
    return not any(c.isspace() or unicodedata.name(c, "").startswith(_UNSPACED) for c in beside)


def _library() -> Any:
    try:
        return importlib.import_module("tokenizers")
    except ImportError as error:
        raise TwinlensError(
            "Text needs the package tokenizers. Got none installed. "
            'Install it with: pip install "twinlens[text]".'
        ) from error
