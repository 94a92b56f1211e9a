"""The detector as its users meet it: load it, give it texts, get verdicts."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from zhenwei.errors import DataError
from zhenwei.evaluation import judge_articles
from zhenwei.inference.backends import load_for_use, place
from zhenwei.news import Article
from zhenwei.tokens import EncodedArticles
from zhenwei.training import Bundle

CHUNK = 1024  # texts that are held at once
BATCH = 64  # texts that are judged at once
UNKNOWN_SHARE = 0.5  # a text of which more than this is unknown gets a warning


@dataclass(frozen=True)
class Prediction:
    """What a detector says of one text; fields can be read as attributes or by name, as in `prediction["verdict"]`.

    Attributes:
        text: The text as it was given.
        verdict: "fake" from the threshold on, else "real".
        probability: Of fake, from 0 to 1.
        threshold: The bundle's.
        warnings: What makes this verdict less trustworthy, in words.
        id: The article's, where it has one.
    """

    text: str
    verdict: Literal["real", "fake"]
    probability: float
    threshold: float
    warnings: tuple[str, ...] = ()
    id: str | None = None

    def __getitem__(self, name: str) -> Any:
        """Return a field by name."""
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; `id` only where there is one."""
        fields = {**asdict(self), "warnings": list(self.warnings)}
        return fields if self.id is not None else {name: value for name, value in fields.items() if name != "id"}


class Detector:
    """A trained detector. Predicting changes nothing in it, so threads may share one."""

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        """Take a bundle into use.

        Args:
            bundle: The trained detector.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

        Raises:
            ConfigError: If no device is so called.
        """
        self.bundle = bundle
        self.device = place(bundle, device)
        bundle.network.eval()

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto") -> "Detector":
        """Load a detector from a run's folder, from a bundle, or from what `zhenwei export` wrote.

        Raises:
            CheckpointError: If there is none, or it is damaged or foreign.
            ConfigError: If no device is so called, or an exported detector's onnxruntime is not installed.
        """
        return cls(load_for_use(Path(path)), device)

    @property
    def threshold(self) -> float:
        """The probability from which a text is called fake."""
        return self.bundle.threshold

    def predict(self, texts: str | Iterable[str]) -> list[Prediction]:
        """Judge texts.

        Args:
            texts: One text, or any number of them.

        Returns:
            One prediction per text, in the order of the texts.

        Raises:
            DataError: If a text is blank or is no text; the message says which.
        """
        return list(self.predict_stream([texts] if isinstance(texts, str) else texts))

    def predict_stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Judge any number of texts, holding only a part of them at once; see `predict`."""
        articles = (_article(text, number) for number, text in enumerate(texts, start=1))
        return self.predict_articles(articles)

    def predict_articles(self, articles: Iterable[Article]) -> Iterator[Prediction]:
        """Judge any number of articles, holding only a part of them at once.

        Raises:
            DataError: If the detector needs a field that an article lacks, and that cannot be made from its text.
        """
        stream, first_row = iter(articles), 1
        while chunk := list(islice(stream, CHUNK)):
            yield from self._judge(chunk, first_row)
            first_row += len(chunk)

    def _judge(self, articles: list[Article], first_row: int) -> Iterator[Prediction]:
        """Judge a chunk of articles, those of like length together."""
        bundle = self.bundle
        encoded = bundle.reader().encode(articles, first_row)
        logits = judge_articles(bundle, encoded, self.device, BATCH)
        for row, (article, probability) in enumerate(zip(articles, bundle.probabilities(logits), strict=True)):
            yield Prediction(
                text=article.content,
                verdict="fake" if probability >= self.threshold else "real",
                probability=float(probability),
                threshold=self.threshold,
                warnings=self._warnings(encoded, row),
                id=article.id,
            )

    def _warnings(self, encoded: EncodedArticles, row: int) -> tuple[str, ...]:
        """Say what the network could not see of a text."""
        found = []
        tokenizer, max_len = self.bundle.tokenizer, self.bundle.config.data.max_len
        if encoded.truncated[row]:
            found.append(f"only the first {max_len} tokens were read: the text is longer")
        content = encoded.content(row)
        if len(content) == 0 or float((content == tokenizer.unk_id).mean()) > UNKNOWN_SHARE:
            found.append("most of the text is unknown to this detector: it was trained on other writing")
        return tuple(found)


def _article(text: object, number: int) -> Article:
    """Check a text as a file's row would be checked."""
    try:
        return Article(content=text)
    except ValidationError as error:
        raise DataError(f"text {number}: {error.errors()[0]['msg']}") from None
