"""A synthetic dataset: seeded Chinese posts in which some entities change their label between past and future.

Detectors learn the names that fake posts mention, and names go out of date: the entity bias of ENDEF (Zhu et al.,
"Generalizing to the Future: Mitigating Entity Bias in Fake News Detection", SIGIR 2022, Table 1). In this dataset,
`n_flipped` invented organizations, places and persons appear mostly in fake posts, or mostly in real ones, in the past
(`train`, `val`), and the reverse in the future (`test`). The wording, sourcing, hedging and exaggeration of a claim
depend on the label in past and future, by many weak signs of which none decides alone.

Macro-F1 of a character 1-3-gram TF-IDF with logistic regression (C = 1), trained on the default dataset's `train`
(printed by `pytest tests/news/sources/test_synthetic.py -k tfidf -rP`):

    texts                   val     test
    unchanged               0.887   0.717
    entity names masked     0.845   0.833
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from zhenwei.errors import ConfigError, DataError
from zhenwei.news.article import Article
from zhenwei.news.io.files import check_free_for_parts, write_all
from zhenwei.news.sources.synthetic_distinct import NearDuplicateFilter
from zhenwei.news.sources.synthetic_entities import Entity, EntityPool, Kind, invent_entities, max_flipped
from zhenwei.news.sources.synthetic_grammar import PostWriter, load_grammar

Part = Literal["train", "val", "test"]

PARTS: tuple[Part, ...] = ("train", "val", "test")
CAPACITY = 100_000  # posts of one dataset; up to here the grammar yields few near-duplicates
SHORTEST, LONGEST = 40, 160  # characters of a post

_PAST = (datetime(2016, 1, 1), datetime(2021, 1, 1))
_FUTURE = (datetime(2021, 1, 1), datetime(2022, 1, 1))
_MAX_SIMILARITY = 0.45  # Jaccard similarity of 5-grams; below 0.5, to allow for other ways to normalize
_PILOT_POSTS = 600
_MAX_REDRAWS = 200


@dataclass(frozen=True)
class SyntheticDataset:
    """The settings of a synthetic dataset, which is a pure function of them.

    Attributes:
        seed: Another seed gives other names and other posts.
        n_train: Posts of the past to train on.
        n_val: Posts of the past, later than all of `train`.
        n_test: Posts of the future.
        n_flipped: Entities that change their label, an even number; in the past, half are in fake posts, half in real.
        flipped_share: Share of posts that are about a flipped entity.
        entity_bias: Share of a flipped entity's posts with its typical label; 0.5 is no bias, 1 certainty.
        style_strength: Probability that a styled phrase has its post's style; 0.5 is no signal, 1 the strongest.
        style_noise: Share of posts in the style of the opposite label.
        shared_style: Probability that a styled phrase comes from the wording that both styles share.
        fake_share_past: Share of fake posts in `train` and in `val`.
        fake_share_future: Share of fake posts in `test`.

    Raises:
        ConfigError: A setting is out of its range, or the grammar cannot yield so many distinct posts.
    """

    seed: int = 2021
    n_train: int = 3000
    n_val: int = 750
    n_test: int = 1250
    n_flipped: int = 40
    flipped_share: float = 0.8
    entity_bias: float = 0.89
    style_strength: float = 0.87
    style_noise: float = 0.08
    shared_style: float = 0.25
    fake_share_past: float = 0.5
    fake_share_future: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int":
                _require(type(value) is int, field.name, value, "an integer")
            else:
                is_share = type(value) in (int, float) and 0 <= value <= 1
                _require(is_share, field.name, value, "a number between 0 and 1")
        for name in ("n_train", "n_val", "n_test", "n_flipped"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("entity_bias", "style_strength"):
            _require(getattr(self, name) >= 0.5, name, getattr(self, name), "between 0.5 and 1")
        limit = max_flipped(load_grammar())
        fits = self.n_flipped % 2 == 0 and self.n_flipped <= limit
        _require(fits, "n_flipped", self.n_flipped, f"an even number up to {limit}")
        total = self.n_train + self.n_val + self.n_test
        if total > CAPACITY:
            raise ConfigError(
                f"synthetic dataset: found {total:,} posts; expected at most {CAPACITY:,}, what the grammar "
                "yields: lower n_train, n_val or n_test"
            )

    @property
    def flipped_entities(self) -> tuple[str, ...]:
        """Names of the entities whose label changes between past and future."""
        return tuple(entity.name for entity in self._pool.flipped)

    def generate(self) -> dict[str, list[Article]]:
        """Generate the posts.

        Returns:
            `train`, `val` and `test`, each in order of time, and each later than the part before.

        Raises:
            DataError: The settings leave too few wordings to find posts that differ.
        """
        posts = self._posts()
        sizes = {"train": self.n_train, "val": self.n_val, "test": self.n_test}
        return {part: [next(posts) for _ in range(size)] for part, size in sizes.items()}

    # A cached property writes to the instance's dict, which a frozen dataclass allows.
    @cached_property
    def _pool(self) -> EntityPool:
        return invent_entities(load_grammar(), self._rng("entities"), self.n_flipped)

    def _rng(self, purpose: str) -> random.Random:
        return random.Random(f"zhenwei/{self.seed}/{purpose}")

    def _posts(self) -> Iterator[Article]:
        rng = self._rng("posts")
        pilot = self._rng("pilot")
        sample = [self._draft(pilot, fake=i % 2 == 0, future=False).content for i in range(_PILOT_POSTS)]
        seen = NearDuplicateFilter(_MAX_SIMILARITY, sample)
        for number, (time, fake) in enumerate(self._times_and_labels(), start=1):
            draft = self._distinct_draft(rng, seen, fake=fake, future=time >= _FUTURE[0])
            label = "fake" if fake else "real"
            yield Article(id=f"synthetic-{number:06d}", label=label, time=time, **draft._asdict())

    def _times_and_labels(self) -> Iterator[tuple[datetime, bool]]:
        rng = self._rng("times")
        past = _sorted_times(rng, self.n_train + self.n_val, *_PAST)
        future = _sorted_times(rng, self.n_test, *_FUTURE)
        labels = _labels(rng, self.n_train, self.fake_share_past)
        labels += _labels(rng, self.n_val, self.fake_share_past)
        labels += _labels(rng, self.n_test, self.fake_share_future)
        return zip(past + future, labels, strict=True)

    def _distinct_draft(self, rng: random.Random, seen: NearDuplicateFilter, *, fake: bool, future: bool) -> _Draft:
        for _ in range(_MAX_REDRAWS):
            draft = self._draft(rng, fake=fake, future=future)
            if SHORTEST <= len(draft.content) <= LONGEST and seen.add(draft.content):
                return draft
        raise DataError(
            f"synthetic dataset: no post differs from the {len(seen):,} earlier ones in {_MAX_REDRAWS} draws; "
            "lower n_train, n_val or n_test"
        )

    def _draft(self, rng: random.Random, *, fake: bool, future: bool) -> _Draft:
        subject = self._subject(rng, fake=fake, future=future)
        entities = [subject]

        def name_entity(slot: str) -> str:
            if slot in (subject.kind, "subject"):
                return subject.name
            kind: Kind = rng.choice(("org", "place")) if slot == "other" else _KIND_OF_SLOT[slot]
            others = [e for e in self._pool.companions(subject, kind) if e not in entities]
            entities.append(rng.choice(others))
            return entities[-1].name

        writer = PostWriter(
            grammar=load_grammar(),
            rng=rng,
            domain=load_grammar().domains[subject.domain],
            name_entity=name_entity,
            sensational=fake != (rng.random() < self.style_noise),
            style_strength=self.style_strength,
            shared_style=self.shared_style,
        )
        content = writer.write(subject.kind)
        return _Draft(content, subject.domain, tuple(sorted((e.name for e in entities), key=content.index)))

    def _subject(self, rng: random.Random, *, fake: bool, future: bool) -> Entity:
        if self.n_flipped == 0 or rng.random() >= self.flipped_share:
            return rng.choice(self._pool.with_leaning("neutral"))
        typical = rng.random() < self.entity_bias
        leans_fake = (fake == typical) != future
        return rng.choice(self._pool.with_leaning("fake" if leans_fake else "real"))


class _Draft(NamedTuple):
    content: str
    domain: str
    entity_list: tuple[str, ...]  # in order of appearance


_KIND_OF_SLOT: dict[str, Kind] = {"org": "org", "place": "place", "person": "person"}


def write_synthetic_dataset(
    destination: Path, dataset: SyntheticDataset | None = None, *, overwrite: bool = False
) -> dict[Path, int]:
    """Write `train.json`, `val.json` and `test.json`, and `dataset.json`, which describes them.

    Args:
        destination: The folder; it is created if needed.
        dataset: The settings; by default those of `SyntheticDataset()`.
        overwrite: Whether an existing dataset may be replaced.

    Returns:
        The number of posts of each of the three files.

    Raises:
        DataError: The destination is not a folder, holds articles already, or cannot be written.
    """
    dataset = dataset or SyntheticDataset()
    check_free_for_parts(destination, overwrite=overwrite)
    parts = dataset.generate()
    written = write_all({destination / f"{part}.json": articles for part, articles in parts.items()})
    text = json.dumps(_describe(dataset, parts), ensure_ascii=False, indent=2)
    (destination / "dataset.json").write_text(text + "\n", encoding="utf-8")
    return written


def _describe(dataset: SyntheticDataset, parts: dict[str, list[Article]]) -> dict[str, Any]:
    past, future = parts["train"] + parts["val"], parts["test"]
    return {
        "settings": asdict(dataset),
        "flipped_entities": [
            {"entity": name, "past": _shares(past, name), "future": _shares(future, name)}
            for name in dataset.flipped_entities
        ],
    }


def _shares(articles: list[Article], entity: str) -> dict[str, float | int | None]:
    labels = [article.label for article in articles if entity in (article.entity_list or ())]
    share = round(labels.count("fake") / len(labels), 4) if labels else None
    return {"posts": len(labels), "fake_share": share}


def _require(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"synthetic dataset: {name}: found {found!r}; expected {expected}")


def _sorted_times(rng: random.Random, n: int, start: datetime, end: datetime) -> list[datetime]:
    minutes = rng.sample(range(math.floor((end - start).total_seconds()) // 60), n)
    return [start + timedelta(minutes=minute) for minute in sorted(minutes)]


def _labels(rng: random.Random, n: int, fake_share: float) -> list[bool]:
    labels = [i < round(n * fake_share) for i in range(n)]
    rng.shuffle(labels)
    return labels
