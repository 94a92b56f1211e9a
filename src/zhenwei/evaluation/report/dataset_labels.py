"""An assessment on a page: which part it is of, and what the page calls it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zhenwei.evaluation.records import Evaluation, Slice

Role = Literal["past", "future", "other"]
_ROLES: dict[str, Role] = {"val": "past", "test": "future"}
_TITLES = {"past": "The past", "future": "The future"}


@dataclass(frozen=True)
class Judged:
    """An assessment in its role.

    Attributes:
        role: `past` (val), `future` (test) or `other`.
        name: In few words, as in legends: `past (val)`.
        title: As in headings: `The past`.
        assessment: What is known.
    """

    role: Role
    name: str
    title: str
    assessment: Evaluation

    @property
    def heading(self) -> str:
        """The name as a heading begins with it: `Past (val)`, but a file's name as it is."""
        return self.name if self.role == "other" else self.name[0].upper() + self.name[1:]

    def slices(self, *kinds: str) -> tuple[Slice, ...]:
        """Return the slices of some kinds."""
        return tuple(part for part in self.assessment.slices if part.kind in kinds)


def judged(assessments: Iterable[Evaluation], parts: dict[str, str] | None = None) -> tuple[Judged, ...]:
    """Give each assessment its role: by the files that the settings name, or else by the name of its own file.

    Args:
        assessments: What was judged.
        parts: `val` and `test` by the path that the settings name.
    """
    known = {Path(path).resolve(): part for part, path in (parts or {}).items()}
    found: list[Judged] = []
    for assessment in assessments:
        path = Path(assessment.file)
        part = known.get(path.resolve(), path.stem)
        role = _ROLES.get(part, "other")
        if any(each.role == role for each in found):
            role = "other"
        name = f"{role} ({part})" if role != "other" else path.name
        found.append(Judged(role, name, _TITLES.get(role, path.name), assessment))
    return tuple(found)
