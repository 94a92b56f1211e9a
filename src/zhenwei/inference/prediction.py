"""The prediction of a detector on one text."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from zhenwei.bundle.abstention import Reason

Verdict = Literal["real", "fake", "unsure"]


@dataclass(frozen=True)
class Prediction:
    """A prediction on one text; fields are attributes, and items by name, as in `prediction["verdict"]`.

    Attributes:
        text: The text.
        verdict: "fake" from the threshold on, else "real"; "unsure" if there are reasons for no verdict.
        probability: Of fake, from 0 to 1.
        threshold: The bundle's.
        warnings: Reasons why the prediction may be unreliable.
        reasons: Why there is no verdict; the probability is then without meaning.
        id: The article's, if it has one.
    """

    text: str
    verdict: Verdict
    probability: float
    threshold: float
    warnings: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    id: str | None = None

    def __getitem__(self, name: str) -> Any:
        """Return a field by name."""
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; without `id` if the article has none."""
        fields = {**asdict(self), "warnings": list(self.warnings), "reasons": [each.to_dict() for each in self.reasons]}
        return fields if self.id is not None else {name: value for name, value in fields.items() if name != "id"}
