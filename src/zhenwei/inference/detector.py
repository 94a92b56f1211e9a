"""The detector as its users meet it: load it, give it texts, get verdicts."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from zhenwei.bundle import Bundle, find_bundle, save_bundle
from zhenwei.bundle.card.update import updated_card
from zhenwei.bundle.device import check_prediction_precision
from zhenwei.errors import CheckpointError
from zhenwei.inference.explanation import Explanation, explained
from zhenwei.inference.hub.hub import Pushed, fetch, push
from zhenwei.inference.loading import load_detector, place
from zhenwei.inference.prediction import Prediction
from zhenwei.inference.validate_texts import article_of, articles_of, check_count
from zhenwei.news import Article
from zhenwei.news.similarity.index import Similar
from zhenwei.news.writing_system import chinese_share
from zhenwei.tokens import EncodedArticles

CHUNK = 1024  # texts that are held at once
UNKNOWN_SHARE = 0.5  # a text of which more than this is unknown gets a warning
MOSTLY, HARDLY = 0.6, 0.1  # shares of Chinese letters


class Detector:
    """A trained detector. Predicting changes nothing in it, so threads may share one."""

    def __init__(self, bundle: Bundle, device: str = "auto", precision: str = "float32") -> None:
        """Take a bundle into use.

        Args:
            bundle: The trained detector.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            precision: `float32`; or `auto`: the fastest that the device has, with probabilities that are some
                thousandths off. An exported detector computes as it was exported.

        Raises:
            ConfigError: If no device or precision is so called.
        """
        self.precision = check_prediction_precision(precision)
        self.bundle = bundle
        self.folder: Path | None = None  # that it was loaded from
        self.device = place(bundle, device)
        bundle.network.eval()  # PyTorch's switch: verdicts are made without dropout

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto", precision: str = "float32") -> "Detector":
        """Load a detector from a run's folder, from a bundle, or from what `zhenwei export` wrote.

        Device and precision are as for a `Detector`.

        Raises:
            CheckpointError: If there is none, or it is damaged or foreign.
            ConfigError: If no device or precision is so called, or an exported detector's onnxruntime is not installed.
        """
        check_prediction_precision(precision)  # before anything is read
        detector = cls(load_detector(Path(path)), device, precision)
        detector.folder = find_bundle(Path(path))
        return detector

    @classmethod
    def from_hub(
        cls, repo_id: str, *, revision: str | None = None, token: str | bool | None = None, device: str = "auto",
        precision: str = "float32",
    ) -> "Detector":  # fmt: skip
        """Load a detector from the Hugging Face hub, downloading what is not in the hub's cache yet.

        Args:
            repo_id: The repository, `USER/NAME`.
            revision: Branch, tag or commit; None: the main branch.
            token: Of the hub, for private repositories; None: the one that the user is logged in with.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            precision: `float32` or `auto`, as for a `Detector`.

        Raises:
            CheckpointError: If there is no such detector, it is damaged or foreign, its owners do not let this user in,
                or the hub cannot be reached and it was not downloaded before.
            ConfigError: If the name can be no repository's, or no device or precision is so called.
        """
        check_prediction_precision(precision)
        return cls.load(fetch(repo_id, revision=revision, token=token), device, precision)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        include_known_articles: bool = False,
        license: str | None = None,
    ) -> Pushed:
        """Share the detector on the Hugging Face hub: its bundle's files and a model card, in one commit.

        A card that nobody has completed yet is completed: the articles of the training are judged and audited, as far
        as they are still at hand. Absolute paths in settings and facts are cut to their last names.

        Args:
            repo_id: The repository, `USER/NAME`; made if it is not there.
            private: Whether only its owners shall see it; a public one that is there already is refused then.
            token: Of the hub; None: the one that the user is logged in with.
            revision: The branch to push to, made if it is not there; None: the main one.
            commit_message: What the hub shows beside the files.
            include_known_articles: Whether to share the articles that `zhenwei index` stored in the bundle, too: texts
                that people wrote. Unless asked for, they are left out, and the log says so.
            license: The detector's, as the hub names it, such as `cc-by-nc-4.0`; None: as the card has it.

        Raises:
            CheckpointError: If the hub cannot be reached or refuses, the repository holds something else, or the folder
                no longer holds what was loaded.
            ConfigError: If the name can be no repository's, the repository is public and shall be private, or the head
                of the model card is none that the hub takes.
        """
        if self.folder is None:
            with TemporaryDirectory() as place:
                folder = Path(place) / "bundle"
                save_bundle(self.bundle, folder, card=updated_card(self.bundle, folder))
                saved = Detector.load(folder, str(self.device))
                return saved.push_to_hub(
                    repo_id, private=private, token=token, revision=revision, commit_message=commit_message,
                    include_known_articles=include_known_articles, license=license,
                )  # fmt: skip
        return push(
            self.bundle, self.folder, repo_id, private=private, token=token, revision=revision,
            commit_message=commit_message, include_known_articles=include_known_articles, license=license,
            device=str(self.device),
        )  # fmt: skip

    @property
    def threshold(self) -> float:
        """The probability from which a text is called fake."""
        return self.bundle.threshold

    @property
    def has_neighbours(self) -> bool:
        """Whether the bundle has known articles, to find those that are most like a text (`zhenwei index`)."""
        return self.bundle.similar is not None

    def predict(self, texts: str | Iterable[str]) -> list[Prediction]:
        """Judge texts.

        Args:
            texts: One text, or any number of them.

        Returns:
            One prediction per text, in the order of the texts.

        Raises:
            DataError: If a text is blank or is no text, or this is no collection of texts; the message says which.
        """
        return list(self.predict_stream(texts))

    def predict_stream(self, texts: str | Iterable[str]) -> Iterator[Prediction]:
        """Judge any number of texts, holding only a part of them at once; see `predict`."""
        return self.predict_articles(articles_of(texts))

    def predict_articles(self, articles: Iterable[Article]) -> Iterator[Prediction]:
        """Judge any number of articles, holding only a part of them at once.

        Raises:
            DataError: If the detector needs a field that an article lacks, and that cannot be made from its text.
        """
        stream, first_row = iter(articles), 1
        while chunk := list(islice(stream, CHUNK)):
            yield from self._judge(chunk, first_row, self.precision)
            first_row += len(chunk)

    def explain(self, text: str | Article) -> Explanation:
        """Judge a text, and find the words that swayed the verdict; in float32, whatever the precision of the others.

        Raises:
            DataError: If the text is blank or is no text.
        """
        article = text if isinstance(text, Article) else article_of(text)
        [prediction] = self._judge([article], 1, "float32")
        return explained(self.bundle, article, prediction, self.device)

    def neighbours(self, text: str, k: int = 5) -> list[Similar]:
        """Return the known articles that are most like a text, the most similar first; at most `k`.

        Raises:
            CheckpointError: If the bundle has none.
            ConfigError: If `k` is no whole number from 1 on.
            DataError: If the text is blank or is no text.
        """
        article = article_of(text)
        check_count(k)
        if self.bundle.similar is None:
            raise CheckpointError("this detector was not shipped with known articles; add them with: zhenwei index RUN")
        return self.bundle.similar.nearest(article.content, k)

    def _judge(self, articles: list[Article], first_row: int, precision: str) -> Iterator[Prediction]:
        """Judge a chunk of articles, those of like length together."""
        bundle = self.bundle
        encoded = bundle.featurizer().encode(articles, first_row)
        logits = bundle.predict_logits(encoded, self.device, precision)
        for row, (article, probability) in enumerate(zip(articles, bundle.probabilities(logits), strict=True)):
            yield Prediction(
                text=article.content,
                verdict="fake" if probability >= self.threshold else "real",
                probability=float(probability),
                threshold=self.threshold,
                warnings=self._warnings(article.content, encoded, row),
                id=article.id,
            )

    def _warnings(self, text: str, encoded: EncodedArticles, row: int) -> tuple[str, ...]:
        """Say what the network could not see of a text."""
        found = []
        tokenizer, max_len = self.bundle.tokenizer, self.bundle.config.data.max_len
        if encoded.truncated[row]:
            found.append(f"only the first {max_len} tokens were read: the text is longer")
        content = encoded.content(row)
        if len(content) == 0 or float((content == tokenizer.unk_id).mean()) > UNKNOWN_SHARE:
            found.append("most of the text is unknown to this detector: it was trained on other writing")
        found += self._foreign(text) + self._known(text)
        return tuple(found)

    def _foreign(self, text: str) -> list[str]:
        """Say where a text is in another script than the articles that the detector was trained on."""
        usual, own = self.bundle.facts.get("chinese_share"), chinese_share(text)
        if usual is None or own is None:
            return []
        if usual >= MOSTLY and own <= HARDLY:
            return ["the text is hardly in Chinese, in which nearly all training articles were"]
        if usual <= HARDLY and own >= MOSTLY:
            return ["the text is in Chinese, in which hardly any training article was"]
        return []

    def _known(self, text: str) -> list[str]:
        """Say where a text is a near-duplicate of a known article, with that article's label."""
        known = None if self.bundle.similar is None else self.bundle.similar.near_duplicate(text)
        if known is None:
            return []
        name = "" if known.id is None else f" '{known.id}'"
        label = "which has no label" if known.label is None else f"labelled {known.label}"
        return [f"nearly the same text as the known article{name}, {label} (similarity {known.similarity:.2f})"]
