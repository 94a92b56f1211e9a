"""The tokenizer: text to tokens, and the fast one that comes with a pretrained model."""

import os
from array import array
from dataclasses import astuple, dataclass, fields
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
    """The tokens that play a role; the defaults are BERT's names."""

    pad: str = "[PAD]"
    unk: str = "[UNK]"
    cls: str = "[CLS]"
    sep: str = "[SEP]"
    mask: str = "[MASK]"


class Token(NamedTuple):
    """One token of a text, for explanations: ``text[start:end]`` is what it stands for."""

    token: str
    id: int
    word: int  # -1 for a special token
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TokenizedTexts:
    """The tokens of N texts, one after the other in flat arrays.

    Attributes:
        ids: token ids, int32 [S].
        words: the token's word within its text, -1 for special tokens, int32 [S].
        lengths: tokens per text, int64 [N].
        truncated: whether the text was cut, bool [N].
    """

    ids: NDArray[np.int32]
    words: NDArray[np.int32]
    lengths: NDArray[np.int64]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True)
class TextTokenizer:
    """A fast tokenizer with the roles of its special tokens.

    It holds no state that a call changes (texts are cut here, not in the backend), so threads may share it.
    Text that spells a special token, such as ``[SEP]`` in a post, is read as ordinary characters.

    Args:
        backend: the tokenizer; its padding and truncation are switched off.
        special: the names of its special tokens.

    Raises:
        PretrainedModelError: a special token is not in the vocabulary.
    """

    backend: Tokenizer
    special: SpecialTokens

    def __post_init__(self) -> None:
        absent = [token for token in astuple(self.special) if self.backend.token_to_id(token) is None]
        if absent:
            raise PretrainedModelError(f"The vocabulary lacks the special tokens {', '.join(absent)}.")
        self.backend.no_padding()
        self.backend.no_truncation()
        self.backend.encode_special_tokens = True

    @cached_property
    def vocab_size(self) -> int:
        """Rows that an embedding needs: the largest id + 1."""
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def pad_id(self) -> int:
        """Id of the token that fills a batch's short rows."""
        return self._id(self.special.pad)

    @property
    def unk_id(self) -> int:
        """Id of the token for what the vocabulary lacks."""
        return self._id(self.special.unk)

    @property
    def cls_id(self) -> int:
        """Id of the token that begins a text."""
        return self._id(self.special.cls)

    @property
    def sep_id(self) -> int:
        """Id of the token that ends a text and stands between entities."""
        return self._id(self.special.sep)

    @property
    def mask_id(self) -> int:
        """Id of the token that hides a word."""
        return self._id(self.special.mask)

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """Turn texts into token ids, special tokens added, in parallel inside the backend.

        Args:
            texts: N texts; an empty one gives its special tokens alone.
            max_len: the most tokens of a text, special tokens included; what is beyond is cut off its end.

        Raises:
            ConfigError: ``max_len`` leaves no room for content.
        """
        self.check_max_len(max_len)
        return self._flat(self.backend.encode_batch(texts), max_len)

    def encode_bare(self, texts: list[str]) -> TokenizedTexts:
        """Turn N texts into token ids, uncut and without special tokens."""
        return self._flat(self.backend.encode_batch(texts, add_special_tokens=False))

    def surroundings(self) -> tuple[list[int], list[int]]:
        """Give the ids of the special tokens before every text, and of those after it."""
        ids, closing = self.backend.encode("a").ids, self._closing
        return ids[: self.backend.num_special_tokens_to_add(False) - closing], ids[len(ids) - closing :]

    def _flat(self, encodings: list[Encoding], max_len: int | None = None) -> TokenizedTexts:
        """Put the tokens of N texts behind one another, each cut to `max_len`."""
        ids, words = array("i"), array("i")
        full = np.fromiter(map(len, encodings), np.int64, len(encodings))
        for encoding in encodings:
            row_ids, row_words = encoding.ids, encoding.word_ids
            for part in self._kept(len(row_ids), max_len or len(row_ids)):
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
        """Give the tokens of a text with their places in it, position by position as ``encode_batch``.

        Special tokens stand for the empty stretch 0:0. Characters that the normaliser dropped (all of a link
        but its last one, where links become one token) belong to the token that follows them.

        Args:
            text: the text.
            max_len: cut as ``encode_batch`` cuts; None cuts nothing.

        Raises:
            ConfigError: ``max_len`` leaves no room for content.
        """
        encoding = self.backend.encode(text)
        rows = zip(encoding.tokens, encoding.ids, encoding.word_ids, encoding.offsets, strict=True)
        tokens: list[Token] = []
        reached = 0
        for name, token_id, word, (start, end) in rows:
            if word is None:
                tokens.append(Token(name, token_id, -1, 0, 0))
                continue
            while start > reached and not text[start - 1].isspace():
                start -= 1  # noqa: PLW2901 (the stretch grows to the left)
            tokens.append(Token(name, token_id, word, start, end))
            reached = max(reached, end)
        if max_len is None:
            return tokens
        self.check_max_len(max_len)
        return [token for part in self._kept(len(tokens), max_len) for token in tokens[part]]

    def check_max_len(self, max_len: int) -> None:
        """Refuse a length that leaves no room for content.

        Raises:
            ConfigError: It does.
        """
        added = self.backend.num_special_tokens_to_add(False)
        if max_len <= added:
            raise ConfigError(f"max_len is {max_len}: it must be over {added}, the special tokens of each text.")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``tokenizer.json``; the roles of the special tokens are for the caller to keep.

        Raises:
            OSError: it cannot be written, as on a full disk (the backend's own ``save`` raises bare Exception).
        """
        Path(path).write_text(self.backend.to_str(pretty=True), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str], special: SpecialTokens | None = None) -> "TextTokenizer":
        """Read what ``save`` wrote.

        Args:
            path: the ``tokenizer.json``.
            special: the roles of its special tokens; BERT's names unless given.

        Raises:
            CheckpointError: the file is missing, damaged, or lacks a special token.
        """
        if not Path(path).is_file():
            raise CheckpointError(f"{os.fspath(path)}: there is no such tokenizer file.")
        try:
            return cls(Tokenizer.from_file(os.fspath(path)), special or SpecialTokens())
        except Exception as error:  # `tokenizers` raises bare Exception for damaged files
            raise CheckpointError(f"{os.fspath(path)} is not a tokenizer that can be read: {error}") from error

    def _id(self, token: str) -> int:
        token_id = self.backend.token_to_id(token)
        assert token_id is not None  # seen to by __post_init__
        return token_id

    @cached_property
    def _closing(self) -> int:
        """Special tokens that end every text ([SEP]); they outlive a cut."""
        words = self.backend.encode("a").word_ids
        return next((n for n, word in enumerate(reversed(words)) if word is not None), 0)

    def _kept(self, length: int, max_len: int) -> tuple[slice, ...]:
        if length <= max_len:
            return (slice(None),)
        return slice(0, max_len - self._closing), slice(length - self._closing, length)


def load_pretrained_tokenizer(name_or_path: str) -> TextTokenizer:
    """Give the tokenizer of a pretrained model.

    Args:
        name_or_path: a local folder, or a name on the hub (the local cache is asked first).

    Raises:
        PretrainedModelError: it is not there, has no fast version, or lacks one of the special tokens that a
            detector needs; the message says what to do.
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
            f"The tokenizer of '{name_or_path}' has no {' and no '.join(absent)} token: a detector needs an "
            "encoder of BERT's kind."
        )
    return TextTokenizer(tokenizer.backend_tokenizer, SpecialTokens(**roles))
