"""The invented organisations, places and persons that the synthetic world writes about."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from zhenwei.news.sources.synthetic_grammar import Grammar

Kind = Literal["org", "place", "person"]
Leaning = Literal["fake", "real", "neutral"]

KINDS: tuple[Kind, ...] = ("org", "place", "person")
ENTITIES_PER_DOMAIN = {"org": 9, "place": 8, "person": 8}
COMPANION_WEIGHT = 3  # names that lean alike are seen together more often than chance has it
MAX_PAIRS_PER_KIND = 2  # so that every kind of every domain keeps entities that lean nowhere


@dataclass(frozen=True)
class Entity:
    """One invented name; `leaning` is the label that it goes with in the past (the future reverses it)."""

    name: str
    domain: str
    kind: Kind
    leaning: Leaning = "neutral"


class EntityPool:
    """The entities of one world, to be looked up by what a post needs."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        self.entities = tuple(entities)
        self._by_leaning: dict[Leaning, list[Entity]] = {"fake": [], "real": [], "neutral": []}
        self._by_place: dict[tuple[str, Kind, Leaning], list[Entity]] = {}
        for entity in self.entities:
            self._by_leaning[entity.leaning].append(entity)
            self._by_place.setdefault((entity.domain, entity.kind, entity.leaning), []).append(entity)

    @property
    def flipped(self) -> tuple[Entity, ...]:
        """The entities whose label in the future is the reverse of the past's."""
        return tuple(entity for entity in self.entities if entity.leaning != "neutral")

    def leaning_to(self, leaning: Leaning) -> list[Entity]:
        """Every entity of one leaning."""
        return self._by_leaning[leaning]

    def companions(self, subject: Entity, kind: Kind) -> list[Entity]:
        """Entities that may stand beside the subject of a post: those that lean as it does, or nowhere."""
        leaning_alike = self._by_place.get((subject.domain, kind, subject.leaning), [])
        if subject.leaning != "neutral" and leaning_alike:
            return leaning_alike * COMPANION_WEIGHT + self._by_place[subject.domain, kind, "neutral"]
        return self._by_place[subject.domain, kind, "neutral"]


def most_flipped(grammar: Grammar) -> int:
    """How many entities of this grammar can flip."""
    return 2 * MAX_PAIRS_PER_KIND * len(KINDS) * len(grammar.domains)


def invent_entities(grammar: Grammar, rng: random.Random, n_flipped: int) -> EntityPool:
    """Name the entities of a world and let `n_flipped` of them lean.

    Leaning entities come in pairs, one to each label, of the same domain and kind, so that neither the
    domain nor the kind of name tells the label.
    """
    stems = list(grammar.stems)
    rng.shuffle(stems)
    given_names = [s for s in stems if len(s) == 2 and s[-1] in grammar.given_name_endings]
    n_persons = ENTITIES_PER_DOMAIN["person"] * len(grammar.domains)
    persons = iter(given_names[:n_persons])
    taken = set(given_names[:n_persons])
    others = iter([s for s in stems if s not in taken])

    entities = []
    for nth_domain, domain in enumerate(grammar.domains):
        for nth_kind, kind in enumerate(KINDS):
            cell = nth_kind * len(grammar.domains) + nth_domain
            n_cells = len(KINDS) * len(grammar.domains)
            n_pairs = len(range(cell, n_flipped // 2, n_cells))
            leanings: list[Leaning] = ["fake", "real"] * n_pairs
            leanings += ["neutral"] * (ENTITIES_PER_DOMAIN[kind] - len(leanings))
            for leaning in leanings:
                stem = next(persons) if kind == "person" else next(others)
                entities.append(Entity(_name(grammar, rng, domain, kind, stem), domain, kind, leaning))
    return EntityPool(entities)


def _name(grammar: Grammar, rng: random.Random, domain: str, kind: Kind, stem: str) -> str:
    if kind == "person":
        return rng.choice(grammar.surnames) + stem
    return rng.choice(grammar.domains[domain].names[kind]).replace("{s}", stem)
