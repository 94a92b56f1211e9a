"""A vocabulary trained on the training posts: characters for Chinese, whole words or pieces for the rest."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from itertools import islice

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from zhenwei.errors import ConfigError, DataError
from zhenwei.tokens.tokenizer import SpecialTokens, TextTokenizer


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, min_frequency: int = 2, whole_words: bool = False
) -> TextTokenizer:
    """Learn a vocabulary from the training posts: characters for Chinese, words and pieces for the rest.

    The same texts give the same ``tokenizer.json``, byte for byte, whatever the number of threads. Links become
    one token, ``🔗``. Characters take the room first, the most frequent ones where it is short; pieces of words
    (WordPiece) take what is left. ``[PAD]`` is 0.

    Args:
        texts: the posts; walked through once, so an iterator will do. Memory grows with the different words.
        vocab_size: the most tokens, the five special ones included.
        min_frequency: characters, pieces and whole words that occur less often are not learned, and read as ``[UNK]``.
        whole_words: no pieces: each token is a Chinese character, a whole word of another script, a number or a mark,
            the most frequent ones first. For models that count tokens instead of embedding them.

    Raises:
        ConfigError: ``vocab_size`` has no room for a single character.
        DataError: there are no texts, or nothing in them occurs often enough.
    """
    special = SpecialTokens()
    room = vocab_size - len(fields(special))
    if room < 1:
        raise ConfigError(f"vocab_size is {vocab_size}: five special tokens and a character need at least 6.")
    words = _count_words(texts)
    if not words:
        raise DataError("There are no texts to learn a vocabulary from.")
    frequent = _most_frequent(words if whole_words else _count_characters(words), room, min_frequency)
    if not frequent:
        what = "word" if whole_words else "character"
        raise DataError(f"No {what} of the texts occurs {min_frequency} times: there is no vocabulary to learn.")
    known = [*astuple(special), *frequent]
    if not whole_words:
        known += _learn_pieces(words, known, room - len(frequent), min_frequency)
    vocabulary = {token: n for n, token in enumerate(known)}
    model = models.WordLevel if whole_words else models.WordPiece
    return _assemble(model(vocabulary, unk_token=special.unk), special)


def _assemble(model: models.Model, special: SpecialTokens) -> TextTokenizer:
    """Put the parts around a model that make a tokenizer of it."""
    backend = Tokenizer(model)
    backend.normalizer, backend.pre_tokenizer = _normalizer(), pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{special.cls} $A {special.sep}",
        special_tokens=[(token, backend.token_to_id(token)) for token in (special.cls, special.sep)],
    )
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens(list(astuple(special)))
    return TextTokenizer(backend, special)


_LONGEST_WORD = 100  # WordPiece reads longer ones as [UNK]


def _normalizer() -> normalizers.Normalizer:
    # Before NFKC, which would turn the Chinese comma that ends a link into one that may be part of it.
    link = Regex(r"[hH][tT][tT][pP][sS]?://[A-Za-z0-9\-._~/?#@!$&*+,;=%:]+")
    bert = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=True)
    return normalizers.Sequence([normalizers.Replace(link, " 🔗 "), normalizers.NFKC(), bert])


def _count_words(texts: Iterable[str]) -> Counter[str]:
    """Count what the pre-tokenizer calls a word: a Chinese character, a Latin word, a number, a mark."""
    normalizer, splitter = _normalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    stream = iter(texts)
    while chunk := list(islice(stream, 4096)):
        runs: Counter[str] = Counter()
        for text in chunk:
            runs.update(normalizer.normalize_str(text).split())
        for run, count in runs.items():  # each different run once: the splitter is slow to call
            for word, _ in splitter.pre_tokenize_str(run):
                words[word] += count
    return Counter({word: count for word, count in words.items() if len(word) <= _LONGEST_WORD})


def _count_characters(words: Counter[str]) -> Counter[str]:
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
