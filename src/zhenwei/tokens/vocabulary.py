"""A vocabulary trained on the training posts: characters, whole words, or pieces of words."""

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

_LONGEST_WORD = 100  # WordPiece reads longer ones as [UNK]
_POSTS_AT_ONCE = 4096
_SAMPLE = 1000  # posts by which `auto` chooses
# Scripts that put no spaces between words, as the names of their letters begin.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, min_frequency: int = 2, unit: TokenUnit = "piece"
) -> TextTokenizer:
    """Learn a vocabulary from the training posts: characters for Chinese, words and pieces for the rest.

    The same texts give the same ``tokenizer.json``, byte for byte, whatever the number of threads. Links become
    one token, ``🔗``. Characters take the room first, the most frequent ones where it is short; pieces of words
    (WordPiece) take what is left. ``[PAD]`` is 0.

    Args:
        texts: the posts; walked through once, so an iterator will do. Memory grows with the different words.
        vocab_size: the most tokens, the five special ones included.
        min_frequency: what occurs less often is not learned, and reads as ``[UNK]``.
        unit: what a token is. ``piece``: as above. For models that count tokens instead of embedding them: ``word``: a
            Chinese character, a whole word of another script, a number or a mark; ``character``: any character, and
            one space for all that is white; ``auto``: words where most letters of the first thousand posts are of a
            script that puts spaces between words, else characters.

    Raises:
        ConfigError: ``vocab_size`` has no room for a single character.
        DataError: there are no texts, or nothing in them occurs often enough.
    """
    special = SpecialTokens()
    room = vocab_size - len(fields(special))
    if room < 1:
        raise ConfigError(f"vocab_size is {vocab_size}: five special tokens and a character need at least 6.")
    if unit == "auto":
        first = list(islice(iterator := iter(texts), _SAMPLE))
        unit, texts = "word" if _puts_spaces(first) else "character", chain(first, iterator)
    counts = _count_characters(texts) if unit == "character" else count_words(texts)
    if not counts:
        raise DataError("There are no texts to learn a vocabulary from.")
    frequent = _most_frequent(_count_parts(counts) if unit == "piece" else counts, room, min_frequency)
    if not frequent:
        what = "word" if unit == "word" else "character"
        raise DataError(f"No {what} of the texts occurs {min_frequency} times: there is no vocabulary to learn.")
    known = [*astuple(special), *frequent]
    if unit == "piece":
        known += _learn_pieces(counts, known, room - len(frequent), min_frequency)
    model = models.WordPiece if unit == "piece" else models.WordLevel
    numbers = {token: n for n, token in enumerate(known)}
    return _assemble(model(numbers, unk_token=special.unk), special, by_character=unit == "character")


def _assemble(model: models.Model, special: SpecialTokens, by_character: bool) -> TextTokenizer:
    """Put the parts around a model that make a tokenizer of it."""
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
    """Return what evens out texts before they are split: links, widths, case, and what cannot be seen."""
    # Before NFKC, which would turn the Chinese comma that ends a link into one that may be part of it.
    link = Regex(r"[hH][tT][tT][pP][sS]?://[A-Za-z0-9\-._~/?#@!$&*+,;=%:]+")
    bert = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=not by_character, strip_accents=False, lowercase=True
    )
    steps = [normalizers.Replace(link, " 🔗 "), normalizers.NFKC(), bert]
    if by_character:
        steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    return normalizers.Sequence(steps)


def _puts_spaces(texts: list[str]) -> bool:
    """Tell whether most letters are of scripts that put spaces between words."""
    letters = Counter(character for text in texts for character in text if character.isalpha())
    unspaced = sum(n for letter, n in letters.items() if unicodedata.name(letter, "").startswith(_UNSPACED))
    return 2 * unspaced < letters.total()


def _count_characters(texts: Iterable[str]) -> Counter[str]:
    """Count characters as the tokenizer by characters sees them."""
    normalizer = text_normalizer(by_character=True)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    return counts


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Count what the pre-tokenizer calls a word: a Chinese character, a Latin word, a number, a mark.

    The words of a text are those of its segments, and each different segment of some posts is split once: the splitter
    is slow to call.
    """
    segments, counts = Segments(), np.zeros(0, np.int64)
    words: Counter[str] = Counter()
    stream = iter(texts)
    while chunk := list(islice(stream, _POSTS_AT_ONCE)):
        numbers = segments.cut(chunk).numbers
        earlier, counts = counts, np.bincount(numbers, minlength=len(segments.names))
        counts[: len(earlier)] += earlier
        if segments.are_many:
            _add_words(words, segments.names, counts)
            segments.forget()
            counts = np.zeros(0, np.int64)
    _add_words(words, segments.names, counts)
    return Counter({word: count for word, count in words.items() if len(word) <= _LONGEST_WORD})


def _add_words(words: Counter[str], segments: list[str], counts: NDArray[np.int64]) -> None:
    """Add the words of segments that were met so often."""
    normalizer, splitter = text_normalizer(), pre_tokenizers.BertPreTokenizer()
    for segment, count in zip(segments, counts.tolist(), strict=True):
        if segment.isascii() and segment.isalnum():  # a number, or a plain word
            words[segment.lower()] += count
            continue
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(segment)):
            words[word] += count


def _count_parts(words: Counter[str]) -> Counter[str]:
    """Count the characters of words, those inside words as ``##c``."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in _characters(word):
            counts[character] += count
    return counts


def _most_frequent(counts: Counter[str], room: int, min_frequency: int) -> list[str]:
    """Give the tokens to keep, at most ``room``, the most frequent first."""
    frequent = [(-count, token) for token, count in counts.items() if count >= min_frequency]
    return [token for _, token in sorted(frequent)[:room]]


def _learn_pieces(words: Counter[str], known: list[str], room: int, min_frequency: int) -> list[str]:
    """Give the merged pieces of words, at most ``room``, in the order in which they were learned.

    The trainer numbers characters in an order that changes from run to run, and breaks ties by these numbers.
    Handing them over as its special tokens fixes them.
    """
    alphabet = set(known)
    usable = sorted(word for word in words if len(word) > 1 and alphabet.issuperset(_characters(word)))
    if not usable or room < 1:
        return []
    # It looks a character up by its plain form even inside words: those forms are lent to it.
    lent = sorted({character for word in usable for character in word} - alphabet)
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(known) + len(lent) + room,
        min_frequency=min_frequency,
        special_tokens=[*known, *lent],
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece(unk_token=known[1]))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_repeated(usable, words), trainer)
    vocabulary = learner.get_vocab()
    return sorted(vocabulary.keys() - alphabet - set(lent), key=vocabulary.__getitem__)[:room]


def _repeated(usable: list[str], words: Counter[str]) -> Iterator[str]:
    """Write each word as often as it was counted: the trainer takes texts, not counts."""
    for word in usable:
        for done in range(0, words[word], 1000):
            yield " ".join([word] * min(1000, words[word] - done))


def _characters(word: str) -> list[str]:
    return [word[0], *("##" + character for character in word[1:])]
