"""The objective that a threshold is optimized for."""

from dataclasses import dataclass
from typing import Literal

FORMS = "macro_f1, precision=P, recall=R (P and R above 0, up to 1) or cost=C (above 0)"


@dataclass(frozen=True)
class ThresholdObjective:
    """The objective that a threshold is optimized for.

    Attributes:
        kind: `macro_f1`: the highest macro-F1; `precision`: the highest recall of fakes at this precision or more;
            `recall`: the highest precision at this recall of fakes or more; `cost`: the lowest total cost, where a
            missed fake costs `value` times a false alarm.
        value: The precision, recall or cost ratio; 0 for `macro_f1`.
    """

    kind: Literal["macro_f1", "precision", "recall", "cost"]
    value: float = 0.0

    def __str__(self) -> str:
        return self.kind if self.kind == "macro_f1" else f"{self.kind}={self.value:g}"


def parse_threshold_objective(text: str) -> ThresholdObjective:
    """Parse an objective as written in settings and on the command line.

    Raises:
        ValueError: If the text has none of the known forms.
    """
    kind, separator, number = text.partition("=")
    try:
        value = float(number) if separator else 0.0
    except ValueError:
        value = -1.0
    if kind == "macro_f1" and not separator:
        return ThresholdObjective("macro_f1")
    if kind in ("precision", "recall") and 0.0 < value <= 1.0:
        return ThresholdObjective(kind, value)  # type: ignore[arg-type]  # one of the two
    if kind == "cost" and 0.0 < value < float("inf"):
        return ThresholdObjective("cost", value)
    raise ValueError(f"found {text!r}; expected {FORMS}")


def check_threshold_objective(text: str) -> str:
    """Return the text of an objective unchanged.

    Raises:
        ValueError: If the text has none of the known forms.
    """
    parse_threshold_objective(text)
    return text
