"""Training of a vocabulary of characters, whole words, or word pieces."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from zhenwei.config import TokenUnit
from zhenwei.errors import ConfigError, DataError
from zhenwei.tokens.segments import Segments
from zhenwei.tokens.tokenizer import SpecialTokens, TextTokenizer

_LONGEST_WORD = 100  # WordPiece maps longer ones to [UNK]
_CHUNK_POSTS = 4096
_SAMPLE = 1000  # posts on which `auto` decides
# Scripts without spaces between words, by the first word of the Unicode names of their letters.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, min_frequency: int = 2, unit: TokenUnit = "piece"
) -> TextTokenizer:
    """Train a tokenizer on posts: characters for Chinese, words and word pieces for other scripts.

    The same texts give the same ``tokenizer.json``, byte for byte, with any number of threads. Links become one token,
    ``🔗``. The most frequent characters come first; word pieces (WordPiece) fill the rest. ``[PAD]`` is 0.

    Args:
        texts: the posts, read in one pass; memory grows with the number of distinct words.
        vocab_size: maximum number of tokens, including five special tokens.
        min_frequency: minimum count of a token; rarer ones become ``[UNK]``.
        unit: unit of a token. ``piece``: as above. For models that count tokens instead of embedding them: ``word``: a
            Chinese character, a whole word of another script, a number or a punctuation mark; ``character``: any
            character, with white space collapsed to one space; ``auto``: words if most letters of the first thousand
            posts are of a script with spaces between words, else characters.

    Raises:
        ConfigError: ``vocab_size`` is too small for a single character.
        DataError: there are no texts, or no token is frequent enough.
    """
    special = SpecialTokens()
    capacity = vocab_size - len(fields(special))
    if capacity < 1:
        raise ConfigError(f"vocab_size is {vocab_size}: expected at least 6, for five special tokens and a character.")
    if unit == "auto":
        first = list(islice(iterator := iter(texts), _SAMPLE))
        unit, texts = "word" if _puts_spaces(first) else "character", chain(first, iterator)
    counts = _count_characters(texts) if unit == "character" else count_words(texts)
    if not counts:
        raise DataError("There are no texts to train a vocabulary on.")
    frequent = _most_frequent(_count_parts(counts) if unit == "piece" else counts, capacity, min_frequency)
    if not frequent:
        noun = "word" if unit == "word" else "character"
        raise DataError(f"No {noun} of the texts occurs {min_frequency} times, so there is no vocabulary to train.")
    known = [*astuple(special), *frequent]
    if unit == "piece":
        known += _learn_pieces(counts, known, capacity - len(frequent), min_frequency)
    model = models.WordPiece if unit == "piece" else models.WordLevel
    ids = {token: n for n, token in enumerate(known)}
    return _assemble(model(ids, unk_token=special.unk), special, by_character=unit == "character")


def _assemble(model: models.Model, special: SpecialTokens, by_character: bool) -> TextTokenizer:
    """Build a tokenizer from a model."""
    backend = Tokenizer(model)
    backend.normalizer = text_normalizer(by_character)
    splitter = pre_tokenizers.Split(Regex("."), "isolated") if by_character else pre_tokenizers.BertPreTokenizer()
    backend.pre_tokenizer = splitter
    backend.post_processor = processors.TemplateProcessing(
        single=f"{special.cls} $A {special.sep}",
        special_tokens=[(token, backend.token_to_id(token)) for token in (special.cls, special.sep)],
    )
    backend.decoder = decoders.Fuse() if by_character else decoders.WordPiece()
    backend.add_special_tokens(list(astuple(special)))
    return TextTokenizer(backend, special)


def text_normalizer(by_character: bool = False) -> normalizers.Normalizer:
    """Return the normalizer of links, character widths, case, and invisible characters."""
    # Before NFKC, which maps the Chinese comma at the end of a link to a comma that may be part of it.
    link = Regex(r"[hH][tT][tT][pP][sS]?://[A-Za-z0-9\-._~/?#@!$&*+,;=%:]+")
    bert = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=not by_character, strip_accents=False, lowercase=True
    )
    steps = [normalizers.Replace(link, " 🔗 "), normalizers.NFKC(), bert]
    if by_character:
        steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    return normalizers.Sequence(steps)


def _puts_spaces(texts: list[str]) -> bool:
    """Return whether most letters are of scripts with spaces between words."""
    letters = Counter(character for text in texts for character in text if character.isalpha())
    unspaced = sum(n for letter, n in letters.items() if unicodedata.name(letter, "").startswith(_UNSPACED))
    return 2 * unspaced < letters.total()


def _count_characters(texts: Iterable[str]) -> Counter[str]:
    """Count the characters of normalized texts."""
    normalizer = text_normalizer(by_character=True)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    return counts


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Count the words of the pre-tokenizer: Chinese characters, Latin words, numbers, punctuation marks.

    The words of a text are those of its segments, and each distinct segment is split once.
    `benchmarks/batch_encoding.py` prints 12 times as fast as splitting each post.
    """
    segments, counts = Segments(), np.zeros(0, np.int64)
    words: Counter[str] = Counter()
    stream = iter(texts)
    while chunk := list(islice(stream, _CHUNK_POSTS)):
        numbers = segments.cut(chunk).numbers
        previous, counts = counts, np.bincount(numbers, minlength=len(segments.names))
        counts[: len(previous)] += previous
        if segments.is_full:
            _add_words(words, segments.names, counts)
            segments.clear()
            counts = np.zeros(0, np.int64)
    _add_words(words, segments.names, counts)
    return Counter({word: count for word, count in words.items() if len(word) <= _LONGEST_WORD})


def _add_words(words: Counter[str], segments: list[str], counts: NDArray[np.int64]) -> None:
    """Add the words of segments, given the count of each segment."""
    normalizer, splitter = text_normalizer(), pre_tokenizers.BertPreTokenizer()
    for segment, count in zip(segments, counts.tolist(), strict=True):
        if segment.isascii() and segment.isalnum():  # a number, or a plain word
            words[segment.lower()] += count
            continue
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(segment)):
            words[word] += count


def _count_parts(words: Counter[str]) -> Counter[str]:
    """Count the characters of words; a character that is not the first of its word is ``##c``."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in _characters(word):
            counts[character] += count
    return counts


def _most_frequent(counts: Counter[str], limit: int, min_frequency: int) -> list[str]:
    """Return at most ``limit`` tokens, the most frequent first."""
    frequent = [(-count, token) for token, count in counts.items() if count >= min_frequency]
    return [token for _, token in sorted(frequent)[:limit]]


def _learn_pieces(words: Counter[str], known: list[str], limit: int, min_frequency: int) -> list[str]:
    """Return at most ``limit`` word pieces, in the order of training.

    The trainer numbers characters in an order that changes from run to run, and breaks ties by these numbers. Passing
    them as special tokens fixes the order.
    """
    alphabet = set(known)
    usable = sorted(word for word in words if len(word) > 1 and alphabet.issuperset(_characters(word)))
    if not usable or limit < 1:
        return []
    # The trainer looks up a character inside a word without "##": these forms are added, and removed from the result.
    added = sorted({character for word in usable for character in word} - alphabet)
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(known) + len(added) + limit,
        min_frequency=min_frequency,
        special_tokens=[*known, *added],
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece(unk_token=known[1]))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_repeated(usable, words), trainer)
    vocabulary = learner.get_vocab()
    return sorted(vocabulary.keys() - alphabet - set(added), key=vocabulary.__getitem__)[:limit]


def _repeated(usable: list[str], words: Counter[str]) -> Iterator[str]:
    """Yield texts with each word repeated by its count, since the trainer takes texts instead of counts."""
    for word in usable:
        for start in range(0, words[word], 1000):
            yield " ".join([word] * min(1000, words[word] - start))


def _characters(word: str) -> list[str]:
    return [word[0], *("##" + character for character in word[1:])]
