"""The page about one verdict: the text with the words that swayed it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zhenwei.evaluation.records import Mistake
from zhenwei.evaluation.report.highlighted_text import highlighted_text
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.provenance import versions

Weights = Sequence[tuple[str, float]]

MOST_LOOKED_AT = 12  # words of a text in the table of attention


def write_explanation_page(
    words: Weights, prediction: Mapping[str, Any], attention: Weights | None, path: str | os.PathLike[str]
) -> Path:
    """Write the page of an explanation, whole or not at all.

    Args:
        words: The text in words, each with its attribution: positive where it spoke for fake.
        prediction: The verdict, `probability`, `threshold` and `warnings` among its fields.
        attention: The words with the share of the network's attention that each got; None: there is none.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If it cannot be written.
    """
    content = "".join(word for word, _ in words)
    text = highlighted_text(
        Mistake(1, None, content, "", float(prediction["probability"]), words=tuple(words)), len(content)
    )
    looked_at = sorted((each for each in attention or () if each[0].strip()), key=lambda each: -each[1])
    return write_page(
        "explanation.html", path,
        prediction=prediction, text=text, warnings=[("this text", warning) for warning in prediction["warnings"]],
        attention=looked_at[:MOST_LOOKED_AT], versions=versions(),
    )  # fmt: skip
