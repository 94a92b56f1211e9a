"""The normalization of a detector: the steps that its texts go through before it reads them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from zhenwei.news.normalize.edits import Edit, NormalizedText
from zhenwei.news.normalize.steps import all_steps

_CACHED_TEXTS = 2048  # those of a chunk, which several parts of a prediction read
_CACHED_LENGTH = 2000  # longest text that is cached, in characters


@dataclass(frozen=True)
class Normalizer:
    """Applies steps to texts, in order.

    Attributes:
        steps: Names of the steps (see `all_steps`).
    """

    steps: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """Return the normalized text; it may be empty."""
        if not self.steps:
            return text
        return _cached(self.steps, text) if len(text) <= _CACHED_LENGTH else _apply(self.steps, text)

    def with_offsets(self, text: str) -> NormalizedText:
        """Return the normalized text, and where its characters stand in the given one."""
        normalized = NormalizedText.of(text)
        for edit in _edits(self.steps):
            normalized = edit.with_offsets(normalized)
        return normalized

    def all(self, texts: Iterable[str]) -> list[str]:
        """Return the normalized texts."""
        return list(map(self, texts)) if self.steps else list(texts)


NO_STEPS = Normalizer()


@cache
def _edits(steps: tuple[str, ...]) -> tuple[Edit, ...]:
    return tuple(edit for name in steps for edit in all_steps()[name].edits)


def _apply(steps: tuple[str, ...], text: str) -> str:
    for edit in _edits(steps):
        text = edit(text)
    return text


_cached = lru_cache(_CACHED_TEXTS)(_apply)
