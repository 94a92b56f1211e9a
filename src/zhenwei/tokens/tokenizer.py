"""The tokenizer, trained here or loaded with a pretrained model."""

import os
from array import array
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from zhenwei.errors import CheckpointError, ConfigError, PretrainedModelError
from zhenwei.tokens.pretrained import load_fast_tokenizer, load_pretrained


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Names of the special tokens, BERT's by default."""

    pad: str = "[PAD]"
    unk: str = "[UNK]"
    cls: str = "[CLS]"
    sep: str = "[SEP]"
    mask: str = "[MASK]"


class Token(NamedTuple):
    """One token of a text, for explanations: it covers ``text[start:end]``."""

    token: str
    id: int
    word: int  # -1 for a special token
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TokenizedTexts:
    """The tokens of N texts in flat arrays.

    Attributes:
        ids: token ids, int32 [S].
        words: word of each token within its text, -1 for special tokens, int32 [S].
        lengths: tokens per text, int64 [N].
        truncated: whether each text was truncated, bool [N].
    """

    ids: NDArray[np.int32]
    words: NDArray[np.int32]
    lengths: NDArray[np.int64]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True)
class TextTokenizer:
    """A fast tokenizer with its special tokens.

    It is thread-safe: calls change no state, since texts are truncated here and not in the backend. Text that spells a
    special token, such as ``[SEP]`` in a post, is tokenized as ordinary characters.

    Args:
        backend: the tokenizer; its padding and truncation are disabled.
        special: names of its special tokens.

    Attributes:
        pad_id: id of the padding token.
        unk_id: id of the unknown token.
        cls_id: id of the first token of a text.
        sep_id: id of the token at the end of a text and after each entity.
        mask_id: id of the mask token.

    Raises:
        PretrainedModelError: a special token is not in the vocabulary.
    """

    backend: Tokenizer
    special: SpecialTokens
    pad_id: int = field(init=False)
    unk_id: int = field(init=False)
    cls_id: int = field(init=False)
    sep_id: int = field(init=False)
    mask_id: int = field(init=False)

    def __post_init__(self) -> None:
        ids = {role: self.backend.token_to_id(token) for role, token in asdict(self.special).items()}
        absent = [getattr(self.special, role) for role, token_id in ids.items() if token_id is None]
        if absent:
            raise PretrainedModelError(f"The vocabulary lacks the special tokens {', '.join(absent)}.")
        for role, token_id in ids.items():
            object.__setattr__(self, f"{role}_id", token_id)  # the tokenizer is frozen
        self.backend.no_padding()
        self.backend.no_truncation()
        self.backend.encode_special_tokens = True

    @cached_property
    def vocab_size(self) -> int:
        """Number of rows of an embedding: the largest id + 1."""
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """Tokenize texts with special tokens, in parallel inside the backend.

        Args:
            texts: N texts.
            max_len: maximum tokens of a text, including special tokens; longer texts are truncated at the end.

        Raises:
            ConfigError: ``max_len`` leaves no space for content.
        """
        self.check_max_len(max_len)
        return self._flat(self.backend.encode_batch(texts), max_len)

    def encode_content(self, texts: list[str]) -> TokenizedTexts:
        """Tokenize N texts without truncation and special tokens."""
        return self._flat(self.backend.encode_batch(texts, add_special_tokens=False))

    def special_ids_around(self) -> tuple[list[int], list[int]]:
        """Return the ids of the special tokens before and after every text."""
        ids, n_after = self.backend.encode("a").ids, self._n_special_after
        return ids[: self.backend.num_special_tokens_to_add(False) - n_after], ids[len(ids) - n_after :]

    def _flat(self, encodings: list[Encoding], max_len: int | None = None) -> TokenizedTexts:
        """Join the tokens of N texts, each truncated to `max_len`."""
        ids, words = array("i"), array("i")
        full = np.fromiter(map(len, encodings), np.int64, len(encodings))
        for encoding in encodings:
            row_ids, row_words = encoding.ids, encoding.word_ids
            for part in self._slices(len(row_ids), max_len or len(row_ids)):
                ids.extend(row_ids[part])
                words.extend([-1 if word is None else word for word in row_words[part]])
        lengths = full if max_len is None else np.minimum(full, max_len)
        return TokenizedTexts(
            np.frombuffer(ids, np.int32) if ids else np.empty(0, np.int32),
            np.frombuffer(words, np.int32) if words else np.empty(0, np.int32),
            lengths,
            full > lengths,
        )

    def tokenize(self, text: str, max_len: int | None = None) -> list[Token]:
        """Return the tokens of a text with their character spans, the same tokens as ``encode_batch``.

        Special tokens have the empty span 0:0. Characters that the normalizer dropped (all of a link but its last
        character, if links become one token) belong to the next token.

        Args:
            text: the text.
            max_len: maximum tokens, as in ``encode_batch``; None: no truncation.

        Raises:
            ConfigError: ``max_len`` leaves no space for content.
        """
        encoding = self.backend.encode(text)
        rows = zip(encoding.tokens, encoding.ids, encoding.word_ids, encoding.offsets, strict=True)
        tokens: list[Token] = []
        previous_end = 0
        for name, token_id, word, (start, end) in rows:
            if word is None:
                tokens.append(Token(name, token_id, -1, 0, 0))
                continue
            while start > previous_end and not text[start - 1].isspace():
                start -= 1  # noqa: PLW2901 (the span grows to the left)
            tokens.append(Token(name, token_id, word, start, end))
            previous_end = max(previous_end, end)
        if max_len is None:
            return tokens
        self.check_max_len(max_len)
        return [token for part in self._slices(len(tokens), max_len) for token in tokens[part]]

    def check_max_len(self, max_len: int) -> None:
        """Refuse a length that leaves no space for content.

        Raises:
            ConfigError: It does.
        """
        added = self.backend.num_special_tokens_to_add(False)
        if max_len <= added:
            raise ConfigError(f"max_len is {max_len}: it must be over {added}, the special tokens of each text.")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``tokenizer.json``; the caller saves the names of the special tokens.

        Raises:
            OSError: the file cannot be written (the backend's own ``save`` raises bare Exception).
        """
        Path(path).write_text(self.backend.to_str(pretty=True), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str], special: SpecialTokens | None = None) -> "TextTokenizer":
        """Read a file of ``save``.

        Args:
            path: the ``tokenizer.json``.
            special: names of its special tokens, BERT's by default.

        Raises:
            CheckpointError: the file is missing, damaged, or lacks a special token.
        """
        if not Path(path).is_file():
            raise CheckpointError(f"{os.fspath(path)}: no such tokenizer file.")
        try:
            return cls(Tokenizer.from_file(os.fspath(path)), special or SpecialTokens())
        except Exception as error:  # `tokenizers` raises bare Exception for damaged files
            raise CheckpointError(f"{os.fspath(path)} is not a readable tokenizer: {error}") from error

    @cached_property
    def _n_special_after(self) -> int:
        """Number of special tokens at the end of every text ([SEP]), which truncation preserves."""
        words = self.backend.encode("a").word_ids
        return next((n for n, word in enumerate(reversed(words)) if word is not None), 0)

    def _slices(self, length: int, max_len: int) -> tuple[slice, ...]:
        """Return the tokens of a text that remain after truncation."""
        if length <= max_len:
            return (slice(None),)
        return slice(0, max_len - self._n_special_after), slice(length - self._n_special_after, length)


def load_pretrained_tokenizer(name_or_path: str) -> TextTokenizer:
    """Load the tokenizer of a pretrained model.

    Args:
        name_or_path: a local folder, or a name on the hub (the local cache is tried first).

    Raises:
        PretrainedModelError: it does not exist, has no fast version, or lacks a special token; the message says what
            to do.
    """
    tokenizer = load_pretrained(
        name_or_path,
        load_fast_tokenizer,
        what="tokenizer",
        needed="tokenizer.json, or config.json and vocab.txt, of a model that has a fast tokenizer",
    )
    roles = {role.name: getattr(tokenizer, f"{role.name}_token") for role in fields(SpecialTokens)}
    absent = [role for role, token in roles.items() if token is None]
    if absent:
        raise PretrainedModelError(
            f"The tokenizer of '{name_or_path}' has no {' and no '.join(absent)} token: expected the tokenizer "
            "of a BERT-like encoder."
        )
    return TextTokenizer(tokenizer.backend_tokenizer, SpecialTokens(**roles))
