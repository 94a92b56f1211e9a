"""The objective that a threshold is optimized for."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

_LARGEST = {"precision": 1.0, "recall": 1.0, "cost": sys.float_info.max}
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
    if text == "macro_f1":
        return ThresholdObjective("macro_f1")
    kind, _, number = text.partition("=")
    with suppress(KeyError, ValueError):
        if 0.0 < float(number) <= _LARGEST[kind]:
            return ThresholdObjective(kind, float(number))  # type: ignore[arg-type]  # one of the keys
    raise ValueError(f"found {text!r}; expected {FORMS}")


def check_threshold_objective(text: str) -> str:
    """Return the text of an objective unchanged.

    Raises:
        ValueError: If the text has none of the known forms.
    """
    parse_threshold_objective(text)
    return text
