"""What a model card tells of data and scores: as training knows it, or as a later judging found out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from zhenwei.audit.findings import AuditReport

if TYPE_CHECKING:
    from zhenwei.bundle.bundle import Bundle

Interval = tuple[float, float]  # low, high; 95%

# In `Scored.flattered`, how a part had a say in the detector that it judges.
CHOSE_EPOCH, CALIBRATED = "chose the epoch", "chose the threshold and the calibration"


@dataclass(frozen=True)
class CardPart:
    """A file of articles that the detector was made with.

    Attributes:
        part: `train`, `val` or `test`.
        file: Its name, without its folder, which is nobody's business.
        sha256: Its digest; empty where it is not known.
        n: Articles; None where it is not known.
        n_fake: Of these, fakes.
        times: The first and the last day that an article is from, as ISO 8601; None where no article has a time.
        timeless: Articles without a time, where others have one.
        domains: How many articles each domain has, the largest first; empty where no article has one.
    """

    part: str
    file: str = ""
    sha256: str = ""
    n: int | None = None
    n_fake: int | None = None
    times: tuple[str, str] | None = None
    timeless: int = 0
    domains: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class WorstSlice:
    """The part of some articles in which the detector is at its worst by macro-F1.

    Attributes:
        kind: Of what: `domain`, `month`, `year`, `length` or `entities`.
        name: Which one.
        n: Its articles.
        macro_f1: Its score.
        interval: 95%; None where too few articles allow none.
        among: How many slices of this kind were looked at.
    """

    kind: str
    name: str
    n: int
    macro_f1: float
    interval: Interval | None
    among: int


@dataclass(frozen=True)
class Scored:
    """The scores of a part.

    Attributes:
        part: `val` or `test`.
        n: Articles; None where it is not known.
        n_fake: Of these, fakes.
        scores: The field's metrics; None for what is undefined.
        intervals: Their 95% intervals; empty where nobody looked for them.
        as_used: Whether they are of the calibrated probability at the detector's threshold, as its users meet it; else
            they are from before calibration and at 0.5.
        flattered: What the part chose of the detector, in words.
        near: How many articles have a near-duplicate among the training articles; None where that is not known.
        clean: Without them: articles, macro-F1 and its interval; None where there is no such score.
        worst: The worst slice of each kind.
    """

    part: str
    n: int | None
    n_fake: int | None
    scores: Mapping[str, float | int | None]
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    as_used: bool = False
    flattered: tuple[str, ...] = ()
    near: int | None = None
    clean: tuple[int, float, Interval | None] | None = None
    worst: tuple[WorstSlice, ...] = ()


@dataclass(frozen=True)
class CardFacts:
    """What a card tells beside the bundle.

    Attributes:
        parts: The files of train, val and test.
        scored: The parts that were judged.
        audit: What was found in these very files; None: they were not audited.
        unaudited: Why not, in words.
    """

    parts: tuple[CardPart, ...]
    scored: tuple[Scored, ...]
    audit: AuditReport | None = None
    unaudited: str = (
        "this card was written right after the training, before anybody looked; where the articles are, "
        "`zhenwei report RUN --audit` completes it"
    )


def facts_of_training(bundle: "Bundle") -> CardFacts:
    """Return what is known of a bundle without looking at any article again."""
    facts = bundle.facts
    val: dict[str, Any] = facts.get("val") or {}
    counted: dict[str, dict[str, Any]] = {
        "train": {"n": facts.get("n_train")},
        "val": {"n": facts.get("n_val"), "n_fake": val.get("n_fake")},
    }
    parts = tuple(
        CardPart(part, file_name(each.get("path", "")), each.get("sha256", ""), **counted.get(part, {}))
        for part, each in (facts.get("files") or {"train": {}, "val": {}}).items()
    )
    flattered = () if facts.get("fitted") else (CHOSE_EPOCH,)
    return CardFacts(parts, (Scored("val", val.get("n"), val.get("n_fake"), val, flattered=flattered),))


def file_name(path: str) -> str:
    """Return a path's last name, be it a path of Windows or of any other system."""
    return PureWindowsPath(path).name if "\\" in path else PurePath(path).name
