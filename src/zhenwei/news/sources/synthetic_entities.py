"""The invented organizations, places and persons of the synthetic dataset."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from zhenwei.news.sources.synthetic_grammar import Grammar

Kind = Literal["org", "place", "person"]
Leaning = Literal["fake", "real", "neutral"]

KINDS: tuple[Kind, ...] = ("org", "place", "person")
ENTITIES_PER_DOMAIN = {"org": 9, "place": 8, "person": 8}
COMPANION_WEIGHT = 3  # entities of one leaning appear together more often than by chance
MAX_PAIRS_PER_KIND = 2  # leaves neutral entities of every kind in every domain


@dataclass(frozen=True)
class Entity:
    """One invented name; `leaning` is its typical label in the past, which the future reverses."""

    name: str
    domain: str
    kind: Kind
    leaning: Leaning = "neutral"


@dataclass(frozen=True)
class EntityPool:
    """The entities of one dataset."""

    entities: tuple[Entity, ...]

    @property
    def flipped(self) -> tuple[Entity, ...]:
        """The entities whose typical label changes in the future."""
        return tuple(entity for entity in self.entities if entity.leaning != "neutral")

    def with_leaning(self, leaning: Leaning) -> list[Entity]:
        """Return the entities of one leaning."""
        return [entity for entity in self.entities if entity.leaning == leaning]

    def companions(self, subject: Entity, kind: Kind) -> list[Entity]:
        """Return entities that may appear beside the subject of a post: those of its leaning, and neutral ones."""
        cell = [entity for entity in self.entities if (entity.domain, entity.kind) == (subject.domain, kind)]
        neutral = [entity for entity in cell if entity.leaning == "neutral"]
        same_leaning = [entity for entity in cell if entity.leaning == subject.leaning != "neutral"]
        return same_leaning * COMPANION_WEIGHT + neutral


def max_flipped(grammar: Grammar) -> int:
    """Return the largest number of flipped entities that this grammar allows."""
    return 2 * MAX_PAIRS_PER_KIND * len(KINDS) * len(grammar.domains)


def invent_entities(grammar: Grammar, rng: random.Random, n_flipped: int) -> EntityPool:
    """Create the entities of a dataset, `n_flipped` of them with a leaning.

    Entities with a leaning come in pairs of one domain and kind, one for each label, so that neither the domain nor
    the kind of an entity predicts the label.
    """
    stems = list(grammar.stems)
    rng.shuffle(stems)
    given_names = [s for s in stems if len(s) == 2 and s[-1] in grammar.given_name_endings]
    n_persons = ENTITIES_PER_DOMAIN["person"] * len(grammar.domains)
    persons = iter(given_names[:n_persons])
    of_persons = set(given_names[:n_persons])
    others = iter([s for s in stems if s not in of_persons])

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
    return EntityPool(tuple(entities))


def _name(grammar: Grammar, rng: random.Random, domain: str, kind: Kind, stem: str) -> str:
    if kind == "person":
        return rng.choice(grammar.surnames) + stem
    return rng.choice(grammar.domains[domain].names[kind]).replace("{s}", stem)
