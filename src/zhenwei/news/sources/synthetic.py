"""The synthetic world: seeded Chinese posts in which some names change sides between past and future.

Detectors learn the names that fakes were about, and names go out of date: the entity bias that ENDEF (Zhu et al.,
"Generalizing to the Future: Mitigating Entity Bias in Fake News Detection", SIGIR 2022) shows in its Table 1. In
this world `n_flipped` invented organisations, places and persons are mostly in fakes, or mostly in real news, in
the past (`train`, `val`) and the reverse in the future (`test`). How a claim is worded, sourced, hedged or
exaggerated goes with the label at all times, by many weak signs of which none decides alone.

What a character 1-3-gram TF-IDF with logistic regression (C = 1) trained on the default world's `train` scores, in
macro-F1 (`pytest tests/news/test_synthetic.py -k tfidf -rP` prints it):

    texts                   val     test
    as they are             0.887   0.717
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
from typing import Any, Literal

from zhenwei.errors import ConfigError, DataError
from zhenwei.news.article import Article
from zhenwei.news.io.files import check_free_for_parts, write_all
from zhenwei.news.sources.synthetic_distinct import NearCopyIndex
from zhenwei.news.sources.synthetic_entities import Entity, EntityPool, Kind, invent_entities, most_flipped
from zhenwei.news.sources.synthetic_grammar import PostWriter, load_grammar

Part = Literal["train", "val", "test"]

PARTS: tuple[Part, ...] = ("train", "val", "test")
CAPACITY = 100_000  # posts in one world; the grammar yields them with hardly a near-copy to refuse
SHORTEST, LONGEST = 40, 160  # characters of a post

_PAST = (datetime(2016, 1, 1), datetime(2021, 1, 1))
_FUTURE = (datetime(2021, 1, 1), datetime(2022, 1, 1))
_NEAR_COPY = 0.45  # Jaccard similarity of 5-grams; below 0.5, to hold under other ways to normalise, too
_PILOT_POSTS = 600
_MOST_REDRAWS = 200


@dataclass(frozen=True)
class SyntheticDataset:
    """A world of posts; a pure function of its fields.

    Attributes:
        seed: another seed, other names and other posts.
        n_train: posts of the past to train on.
        n_val: posts of the past, later than all of `train`.
        n_test: posts of the future.
        n_flipped: entities that change sides (an even number; half go with fakes first, half with real news).
        flipped_share: share of posts that are about a flipped entity.
        entity_bias: share of a flipped entity's posts with the label it leans to; 0.5 is no bias, 1 certainty.
        style_strength: chance that a styled phrase is of its post's style; 0.5 is no signal, 1 the strongest.
        style_noise: share of posts written in the style of the opposite label.
        shared_style: chance that a styled phrase comes from the wording that both styles share.
        fake_share_past: share of fakes in `train` and in `val`.
        fake_share_future: share of fakes in `test`.

    Raises:
        ConfigError: a field is out of its range, or the grammar cannot yield so many distinct posts.
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
        most = most_flipped(load_grammar())
        _require(
            self.n_flipped % 2 == 0 and self.n_flipped <= most,
            "n_flipped",
            self.n_flipped,
            f"an even number up to {most}",
        )
        total = self.n_train + self.n_val + self.n_test
        if total > CAPACITY:
            raise ConfigError(
                f"synthetic world: {total:,} posts were asked for; the capacity of the grammar is "
                f"{CAPACITY:,} distinct ones. Lower n_train, n_val or n_test."
            )

    @property
    def flipped_entities(self) -> tuple[str, ...]:
        """Names of the entities that change sides between past and future."""
        return tuple(entity.name for entity in self._pool.flipped)

    def generate(self) -> dict[str, list[Article]]:
        """Write the world's posts.

        Returns:
            `train`, `val` and `test`, each in order of time and each later than the one before.

        Raises:
            DataError: the settings leave so few wordings that a post like no other could not be found.
        """
        posts = self._posts()
        sizes = {"train": self.n_train, "val": self.n_val, "test": self.n_test}
        return {part: [next(posts) for _ in range(size)] for part, size in sizes.items()}

    # A cached property writes to the instance's dict, which a frozen dataclass allows.
    @cached_property
    def _pool(self) -> EntityPool:
        return invent_entities(load_grammar(), self._chance("entities"), self.n_flipped)

    def _chance(self, purpose: str) -> random.Random:
        return random.Random(f"zhenwei/{self.seed}/{purpose}")

    def _posts(self) -> Iterator[Article]:
        rng = self._chance("posts")
        pilot = self._chance("pilot")
        sample = [self._draft(pilot, fake=i % 2 == 0, future=False).content for i in range(_PILOT_POSTS)]
        index = NearCopyIndex(_NEAR_COPY, sample)
        for number, (time, fake) in enumerate(self._times_and_labels(), start=1):
            draft = self._distinct_draft(rng, index, fake=fake, future=time >= _FUTURE[0])
            yield Article(
                id=f"synthetic-{number:06d}",
                content=draft.content,
                label="fake" if fake else "real",
                time=time,
                domain=draft.domain,
                entity_list=draft.entities,
            )

    def _times_and_labels(self) -> Iterator[tuple[datetime, bool]]:
        rng = self._chance("times")
        past = _sorted_times(rng, self.n_train + self.n_val, *_PAST)
        future = _sorted_times(rng, self.n_test, *_FUTURE)
        labels = _labels(rng, self.n_train, self.fake_share_past)
        labels += _labels(rng, self.n_val, self.fake_share_past)
        labels += _labels(rng, self.n_test, self.fake_share_future)
        return zip(past + future, labels, strict=True)

    def _distinct_draft(self, rng: random.Random, index: NearCopyIndex, *, fake: bool, future: bool) -> _Draft:
        for _ in range(_MOST_REDRAWS):
            draft = self._draft(rng, fake=fake, future=future)
            if SHORTEST <= len(draft.content) <= LONGEST and index.add(draft.content):
                return draft
        raise DataError(
            f"synthetic world: no post unlike the {len(index):,} earlier ones in {_MOST_REDRAWS} draws. "
            "Ask for fewer posts."
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
            load_grammar(),
            rng,
            subject.domain,
            name_entity,
            sensational=fake != (rng.random() < self.style_noise),
            style_strength=self.style_strength,
            shared_style=self.shared_style,
        )
        content = writer.write(subject.kind)
        return _Draft(content, subject.domain, tuple(sorted((e.name for e in entities), key=content.index)))

    def _subject(self, rng: random.Random, *, fake: bool, future: bool) -> Entity:
        if self.n_flipped == 0 or rng.random() >= self.flipped_share:
            return rng.choice(self._pool.leaning_to("neutral"))
        typical = rng.random() < self.entity_bias
        leans_to_fake = (fake == typical) != future
        return rng.choice(self._pool.leaning_to("fake" if leans_to_fake else "real"))


@dataclass(frozen=True)
class _Draft:
    content: str
    domain: str
    entities: tuple[str, ...]  # in order of appearance


_KIND_OF_SLOT: dict[str, Kind] = {"org": "org", "place": "place", "person": "person"}


def write_synthetic_dataset(
    destination: Path, world: SyntheticDataset | None = None, *, overwrite: bool = False
) -> dict[Path, int]:
    """Write `train.json`, `val.json` and `test.json`, and `world.json` that tells what is in them.

    Args:
        destination: folder, made where it is missing.
        world: the default world unless given.
        overwrite: whether a world that is there already may be replaced.

    Returns:
        The three files of articles, each with its number of posts.

    Raises:
        DataError: the destination is no folder or holds articles already, or the disk refuses.
    """
    world = world or SyntheticDataset()
    check_free_for_parts(destination, overwrite=overwrite)
    parts = world.generate()
    written = write_all({destination / f"{part}.json": articles for part, articles in parts.items()})
    text = json.dumps(_describe(world, parts), ensure_ascii=False, indent=2)
    (destination / "world.json").write_text(text + "\n", encoding="utf-8")
    return written


def _describe(world: SyntheticDataset, parts: dict[str, list[Article]]) -> dict[str, Any]:
    past, future = parts["train"] + parts["val"], parts["test"]
    return {
        "world": asdict(world),
        "flipped_entities": [
            {"entity": name, "past": _shares(past, name), "future": _shares(future, name)}
            for name in world.flipped_entities
        ],
    }


def _shares(articles: list[Article], entity: str) -> dict[str, float | int | None]:
    labels = [article.label for article in articles if entity in (article.entity_list or ())]
    share = round(labels.count("fake") / len(labels), 4) if labels else None
    return {"posts": len(labels), "fake_share": share}


def _require(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"synthetic world: {name} is {found!r}; it must be {expected}.")


def _sorted_times(rng: random.Random, n: int, start: datetime, end: datetime) -> list[datetime]:
    minutes = rng.sample(range(math.floor((end - start).total_seconds()) // 60), n)
    return [start + timedelta(minutes=minute) for minute in sorted(minutes)]


def _labels(rng: random.Random, n: int, fake_share: float) -> list[bool]:
    labels = [i < round(n * fake_share) for i in range(n)]
    rng.shuffle(labels)
    return labels
