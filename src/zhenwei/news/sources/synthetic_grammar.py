"""The grammar of the synthetic world: phrases from `synthetic_grammar.json`, composed into posts.

A post is a row of segments (source, event, detail, call ...). A segment's phrase has slots in braces: an entity
(`{org}`, `{place}`, `{person}`; `{subject}` and `{other}` for whom the post is about and somebody else), a word of
the domain (`{food}`), a number (`{n3}`) or a styled word (`{adv}`), until nothing is left to fill. Styled phrases
come in three lists, of sober, of sensational and of shared wording; which list a phrase is drawn from is all that
a post tells of its label by style.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_SLOT = re.compile(r"\{(\w+)\}")
_URL_CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
_ENDS = ("，", "：", "！")
_ENDS_BY_CHANCE = ("。", "。", "。", "。", "！", "，")

# How often a post carries a mark. The same for both labels: marks must not tell them apart.
_MARK_RATES = {"headline": 0.35, "hashtag": 0.3, "emoji": 0.3, "handle": 0.2, "url": 0.3}

_NUMBERS: dict[str, Callable[[random.Random], str]] = {
    "n2": lambda rng: str(rng.randint(11, 98)),
    "n3": lambda rng: str(rng.randint(101, 989)),
    "n4": lambda rng: str(rng.randint(1001, 9899)),
    "tens": lambda rng: str(10 * rng.randint(2, 9)),
    "pct": lambda rng: f"{rng.randint(1, 79)}.{rng.randint(1, 9)}",
    "tel": lambda rng: f"040{rng.randint(0, 9)}-{rng.randint(200_0000, 899_9999)}",  # no such area code
}


@dataclass(frozen=True)
class Domain:
    """What is written about in one topic."""

    names: Mapping[str, Sequence[str]]  # kind of entity -> patterns of its names
    slots: Mapping[str, Sequence[str]]
    events: Mapping[str, Sequence[str]]  # kind of entity -> what happens to it
    details: Sequence[str]


@dataclass(frozen=True)
class Grammar:
    """All phrases of the synthetic world."""

    stems: tuple[str, ...]
    given_name_endings: str
    surnames: tuple[str, ...]
    slots: Mapping[str, Sequence[str]]
    style: Mapping[str, Mapping[str, Sequence[str]]]
    layouts: Sequence[Sequence[str]]
    hashtags: Sequence[str]
    headlines: Sequence[str]
    handles: Sequence[str]
    handle_ends: Sequence[str]
    emoji: Sequence[str]
    domains: Mapping[str, Domain]


@cache
def load_grammar() -> Grammar:
    """Read the grammar that stands beside this module."""
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("synthetic_grammar.json").read_text("utf-8"))
    domains = {
        name: Domain({"org": d["org"], "place": d["place"]}, d["slots"], d["events"], d["details"])
        for name, d in raw.pop("domains").items()
    }
    stems, surnames = (tuple(raw.pop(key).split()) for key in ("stems", "surnames"))
    return Grammar(stems=stems, surnames=surnames, domains=domains, **raw)


class PostWriter:
    """Writes one post: draws phrases and fills their slots, coherently within the post.

    Args:
        grammar: the phrases.
        rng: the only source of chance.
        domain: name of the topic.
        name_entity: gives the name for an entity slot (`org`, `other` ...); asked once for each.
        sensational: whether the post is written as fakes mostly are.
        style_strength: chance that a styled phrase is of the post's own style rather than of the opposite one.
        shared_style: chance that a styled phrase is of neither style.
    """

    def __init__(
        self,
        grammar: Grammar,
        rng: random.Random,
        domain: str,
        name_entity: Callable[[str], str],
        *,
        sensational: bool,
        style_strength: float,
        shared_style: float,
    ) -> None:
        self._grammar = grammar
        self._domain = grammar.domains[domain]
        self._rng = rng
        self._name_entity = name_entity
        self._sensational = sensational
        self._style_strength = style_strength
        self._shared_style = shared_style
        self._said: dict[str, str] = {}  # a word of the domain stays the same all through the post

    def write(self, kind: str) -> str:
        """Write a post whose event is about an entity of this kind."""
        layout = self._rng.choice(self._grammar.layouts)
        event = self._fill(self._rng.choice(self._domain.events[kind]))  # first: it sets the scene
        segments = [event if name == "event" else self._segment(name) for name in layout]
        return self._with_marks(segments)

    def _segment(self, name: str) -> str:
        if name == "detail":
            return self._fill(self._rng.choice(self._domain.details))
        return self._styled(name)

    def _styled(self, name: str) -> str:
        lists = self._grammar.style[name]
        if self._rng.random() < self._shared_style:
            return self._fill(self._rng.choice(lists["both"]))
        own_style = self._rng.random() < self._style_strength
        return self._fill(self._rng.choice(lists["fake" if own_style == self._sensational else "real"]))

    def _fill(self, phrase: str) -> str:
        return _SLOT.sub(lambda slot: self._slot(slot[1]), phrase)

    def _slot(self, name: str) -> str:
        if name in self._grammar.style:
            return self._styled(name)
        if name in _NUMBERS:
            return _NUMBERS[name](self._rng)
        if name in self._grammar.slots:
            return self._rng.choice(self._grammar.slots[name])
        if name not in self._said:
            words = self._domain.slots.get(name)
            self._said[name] = self._rng.choice(words) if words else self._name_entity(name)
        return self._said[name]

    def _with_marks(self, segments: list[str]) -> str:
        rng, grammar = self._rng, self._grammar
        has = {mark: rng.random() < rate for mark, rate in _MARK_RATES.items()}
        ended = [s if s.endswith(_ENDS) else s + rng.choice(_ENDS_BY_CHANCE) for s in segments]
        if ended[-1].endswith("，"):
            ended[-1] = ended[-1][:-1] + "。"
        if has["emoji"]:
            where = rng.randrange(len(ended))
            ended[where] += rng.choice(grammar.emoji) * rng.choice((1, 1, 1, 2, 3))
        text = "".join(ended)
        if has["hashtag"]:
            hashtag = self._fill(rng.choice(grammar.hashtags))
            text = hashtag + text if rng.random() < 0.6 else text + hashtag
        if has["headline"]:
            text = f"【{self._fill(rng.choice(grammar.headlines))}】{text}"
        if has["handle"]:
            text += f" @{rng.choice(grammar.handles)}{rng.choice(grammar.handle_ends)}"
        if has["url"]:
            text += " http://t.example/" + "".join(rng.choice(_URL_CHARACTERS) for _ in range(7))
        return text
