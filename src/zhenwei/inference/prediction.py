"""What a detector says of one text."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Prediction:
    """What a detector says of one text; fields can be read as attributes or by name, as in `prediction["verdict"]`.

    Attributes:
        text: The text as it was given.
        verdict: "fake" from the threshold on, else "real".
        probability: Of fake, from 0 to 1.
        threshold: The bundle's.
        warnings: What makes this verdict less trustworthy, in words.
        id: The article's, where it has one.
    """

    text: str
    verdict: Literal["real", "fake"]
    probability: float
    threshold: float
    warnings: tuple[str, ...] = ()
    id: str | None = None

    def __getitem__(self, name: str) -> Any:
        """Return a field by name."""
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; `id` only where there is one."""
        fields = {**asdict(self), "warnings": list(self.warnings)}
        return fields if self.id is not None else {name: value for name, value in fields.items() if name != "id"}
