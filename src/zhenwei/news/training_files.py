"""The files of training articles: the training part, and files of rewrites of its articles."""

import logging
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.edits import edit_text
from zhenwei.news.fields import format_value
from zhenwei.news.io.files import iter_articles, iter_numbered_articles
from zhenwei.news.io.validation import BadRows

logger = logging.getLogger(__name__)

_FIELDS = {"entities": "entity_list", "emotion": "emotion"}  # of what a network needs


@dataclass(frozen=True)
class TrainingFiles:
    """The training part, and files of rewrites of its articles.

    An article of a rewrites file is a rewrite of the training article that its `rewrite_of` names, or else of the one
    that has its `id`. Rewrites of other articles are left out, because these may be in val or test.

    Attributes:
        train: The training part.
        rewrites: Files of rewrites.
        needs: Optional fields that the network needs, as in `Featurizer.needs`.
        edits: Families of harmless edits; one of them, drawn at random, edits a copy of each training article.
        seed: Seed of the draws and of the edits.
    """

    train: Path
    rewrites: tuple[Path, ...] = ()
    needs: frozenset[str] = frozenset()
    edits: tuple[str, ...] = ()
    seed: int = 0

    def articles(self, *, report: bool = False, edited: bool = True) -> Iterator[Article]:
        """Yield the training articles, then their rewrites and edited copies, which have `rewrite_of`.

        A rewrite without a label, `time` or `domain` has that of its original.

        Args:
            report: Whether to log repeated ids and left-out rewrites; False when the files are read again.
            edited: Whether to yield the edited copies.

        Raises:
            DataError: If a file cannot be used, a rewrite names no article or has another label than its original, or
                it lacks a field that the network needs.
        """
        yield from self._train(report)
        if self.rewrites:
            yield from self._all_rewrites(report)
        if edited and self.edits:
            yield from filter(None, map(self._edited, self._train(False)))

    def _train(self, report: bool) -> Iterator[Article]:
        """Yield the training articles; with edited copies, each has an id."""
        for row, article in enumerate(iter_articles(self.train, require_label=True, report_repeats=report), start=1):
            yield replace(article, id=f"row {row}") if self.edits and article.id is None else article

    def _edited(self, article: Article) -> Article | None:
        """Return the edited copy of an article; None if the edit leaves its text."""
        family = Random(f"{self.seed}/{article.id}").choice(self.edits)
        text = edit_text(family, article.content, seed=self.seed, key=str(article.id))
        if text == article.content:
            return None
        return replace(
            article, id=f"{article.id} after {family}", content=text, rewrite_of=article.rewrite_of or article.id
        )

    def _all_rewrites(self, report: bool) -> Iterator[Article]:
        """Yield the rewrites of training articles that all files have."""
        parents = self._parents()
        train = {
            article.id: article
            for article in iter_articles(self.train, require_label=True, report_repeats=False)
            if article.id is not None and article.id in parents
        }
        for file in self.rewrites:
            yield from self._rewrites(file, parents, train, report)

    def _parents(self) -> dict[str, str]:
        """Return the id that each rewrite names, by its own id; a rewrite that names its own id is its own parent."""
        parents: dict[str, str] = {}
        for file in self.rewrites:
            bad, row = BadRows(file), 0
            for row, article in iter_numbered_articles(file, report_repeats=False):
                original = article.rewrite_of or article.id
                if original is None:
                    bad.add(
                        f"row {row}",
                        "field 'rewrite_of': found nothing, and no 'id'; expected the id of the training article that "
                        "it tells in other words",
                    )
                else:
                    parents.setdefault(article.id or original, original)
                    parents.setdefault(original, original)
            bad.raise_if_any(row)
        return parents

    def _rewrites(
        self, file: Path, parents: Mapping[str, str], train: Mapping[str, Article], report: bool
    ) -> Iterator[Article]:
        """Yield the rewrites of training articles that a file has."""
        bad, left_out, row, first = BadRows(file), 0, 0, ""
        for row, article in iter_numbered_articles(file, report_repeats=False):
            named = article.rewrite_of or article.id
            assert named is not None  # `_parents` has checked it
            original = train.get(_root(named, parents, train))
            if original is None:
                left_out += 1
                first = first or f"row {row}, of {format_value(named)}"
            elif article.label not in (None, original.label):
                bad.add(
                    f"row {row}",
                    f"field 'label': found '{article.label}'; expected '{original.label}', as its original "
                    f"{format_value(original.id)} has",
                )
            else:
                self._check_fields(article, file, row)
                yield replace(
                    article, rewrite_of=original.id, label=original.label, time=article.time or original.time,
                    domain=article.domain or original.domain,
                )  # fmt: skip
        bad.raise_if_any(row)
        if left_out and report:
            logger.info(
                "%s: %d of %d rewrites are left out: no training article has the id that they name; the first is %s",
                file, left_out, row, first,
            )  # fmt: skip

    def _check_fields(self, article: Article, file: Path, row: int) -> None:
        for need, name in _FIELDS.items():
            if need in self.needs and getattr(article, name) is None:
                path = shlex.quote(str(file))
                raise DataError(
                    f"{file}: row {row}: no field '{name}', which the detector needs; add it to all articles with: "
                    f"zhenwei data enrich {path} -o {path} --{need} --overwrite"
                )


def _root(named: str, parents: Mapping[str, str], train: Mapping[str, Article]) -> str:
    """Follow rewrites of rewrites to the id of a training article, or to the last id that is named."""
    seen = {named}
    while named not in train and (parent := parents.get(named, named)) not in seen:
        named = parent
        seen.add(named)
    return named
