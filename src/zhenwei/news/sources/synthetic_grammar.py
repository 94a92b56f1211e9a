"""The grammar of the synthetic dataset: phrases from `synthetic_grammar.json`, composed into posts.

A post is a sequence of segments (source, event, detail, call ...). A segment's phrase has slots in braces: an entity
(`{org}`, `{place}`, `{person}`; `{subject}` is the post's subject, `{other}` another entity), a word of the domain
(`{food}`), a number (`{n3}`) or a styled word (`{adv}`); slots are filled until none is left. Styled phrases come in
three lists, of sober, sensational and shared wording; the style of a post depends on its label only by the list from
which each phrase is drawn.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_SLOT = re.compile(r"\{(\w+)\}")
_URL_CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
_ENDS = ("，", "：", "！")
_ENDS_BY_CHANCE = ("。", "。", "。", "。", "！", "，")

# Share of posts with a mark; the same for both labels, so that marks do not predict the label.
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
    """The phrases of one topic."""

    names: Mapping[str, Sequence[str]]  # kind of entity -> patterns of its names
    slots: Mapping[str, Sequence[str]]
    events: Mapping[str, Sequence[str]]  # kind of entity -> what happens to it
    details: Sequence[str]


@dataclass(frozen=True)
class Grammar:
    """All phrases of the synthetic dataset."""

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
    """Read the grammar, a file beside this module."""
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("synthetic_grammar.json").read_text("utf-8"))
    domains = {
        name: Domain({"org": d["org"], "place": d["place"]}, d["slots"], d["events"], d["details"])
        for name, d in raw.pop("domains").items()
    }
    stems, surnames = (tuple(raw.pop(key).split()) for key in ("stems", "surnames"))
    return Grammar(stems=stems, surnames=surnames, domains=domains, **raw)


@dataclass(frozen=True, kw_only=True)
class PostWriter:
    """Writes one post: draws phrases and fills their slots consistently within the post.

    Attributes:
        grammar: The phrases.
        rng: The only source of randomness.
        domain: The topic.
        name_entity: Returns the name for an entity slot (`org`, `other` ...); called once per slot name.
        sensational: Whether the post has the style of most fake posts.
        style_strength: Probability that a styled phrase has the post's own style rather than the opposite one.
        shared_style: Probability that a styled phrase has neither style.
    """

    grammar: Grammar
    rng: random.Random
    domain: Domain
    name_entity: Callable[[str], str]
    sensational: bool
    style_strength: float
    shared_style: float
    _words: dict[str, str] = field(default_factory=dict)  # a slot has the same word in the whole post

    def write(self, kind: str) -> str:
        """Write a post whose event is about an entity of this kind."""
        layout = self.rng.choice(self.grammar.layouts)
        event = self._fill(self.rng.choice(self.domain.events[kind]))  # first: it fixes the words of the slots
        segments = [event if name == "event" else self._segment(name) for name in layout]
        return self._with_marks(segments)

    def _segment(self, name: str) -> str:
        if name == "detail":
            return self._fill(self.rng.choice(self.domain.details))
        return self._styled(name)

    def _styled(self, name: str) -> str:
        lists = self.grammar.style[name]
        if self.rng.random() < self.shared_style:
            return self._fill(self.rng.choice(lists["both"]))
        own_style = self.rng.random() < self.style_strength
        return self._fill(self.rng.choice(lists["fake" if own_style == self.sensational else "real"]))

    def _fill(self, phrase: str) -> str:
        return _SLOT.sub(lambda slot: self._slot(slot[1]), phrase)

    def _slot(self, name: str) -> str:
        if name in self.grammar.style:
            return self._styled(name)
        if name in _NUMBERS:
            return _NUMBERS[name](self.rng)
        if name in self.grammar.slots:
            return self.rng.choice(self.grammar.slots[name])
        if name not in self._words:
            words = self.domain.slots.get(name)
            self._words[name] = self.rng.choice(words) if words else self.name_entity(name)
        return self._words[name]

    def _with_marks(self, segments: list[str]) -> str:
        rng, grammar = self.rng, self.grammar
        has = {mark: rng.random() < rate for mark, rate in _MARK_RATES.items()}
        ended = [s if s.endswith(_ENDS) else s + rng.choice(_ENDS_BY_CHANCE) for s in segments]
        if ended[-1].endswith("，"):
            ended[-1] = ended[-1][:-1] + "。"
        if has["emoji"]:
            position = rng.randrange(len(ended))
            ended[position] += rng.choice(grammar.emoji) * rng.choice((1, 1, 1, 2, 3))
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
