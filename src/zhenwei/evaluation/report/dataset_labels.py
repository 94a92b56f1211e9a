"""The name and role of an evaluated dataset on a page: the past (val), the future (test), or another file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zhenwei.evaluation.records import Evaluation, Slice

Role = Literal["past", "future", "other"]
ROLES: dict[str, Role] = {"val": "past", "test": "future"}


@dataclass(frozen=True)
class DatasetResult:
    """The evaluation of a dataset, with the dataset's role and name.

    Attributes:
        role: `past` (val), `future` (test) or `other`.
        name: Short name, as in legends: `past (val)`.
        evaluation: The evaluation.
    """

    role: Role
    name: str
    evaluation: Evaluation

    @property
    def heading(self) -> str:
        """The name at the beginning of a heading: `Past (val)`; a file's name is unchanged."""
        return self.name if self.role == "other" else self.name.capitalize()

    def slices(self, *kinds: str) -> tuple[Slice, ...]:
        """Return the slices of some kinds."""
        return tuple(part for part in self.evaluation.slices if part.kind in kinds)


def dataset_name(part: str) -> str:
    """Return the name of a part in legends: `past (val)`."""
    return f"{ROLES[part]} ({part})" if part in ROLES else part


def label_datasets(
    evaluations: Iterable[Evaluation], parts: Mapping[str, str] | None = None
) -> tuple[DatasetResult, ...]:
    """Assign a role to each evaluation, by the files that the settings name or else by its file's name.

    Args:
        evaluations: The evaluations; of two with the same role, the first has it.
        parts: Paths of `val` and `test` from the settings.
    """
    known = {Path(path).resolve(): part for part, path in (parts or {}).items()}
    results: list[DatasetResult] = []
    for evaluation in evaluations:
        path = Path(evaluation.file)
        part = known.get(path.resolve(), path.stem)
        role = ROLES.get(part, "other")
        if role in {result.role for result in results}:
            role = "other"
        name = path.name if role == "other" else dataset_name(part)
        results.append(DatasetResult(role, name, evaluation))
    return tuple(results)
