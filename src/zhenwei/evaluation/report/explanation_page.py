"""The page about one prediction: the text with the attribution of its words."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zhenwei.evaluation.report.highlighted_text import Attributions, highlight_text
from zhenwei.evaluation.report.pages import write_page

MAX_ATTENTION_ROWS = 12


def write_explanation_page(
    words: Attributions, prediction: Mapping[str, Any], attention: Attributions | None, path: str | os.PathLike[str]
) -> Path:
    """Write the page of an explanation atomically.

    Args:
        words: The words of the text with their attributions; positive ones are evidence for fake.
        prediction: The prediction, with `verdict`, `probability`, `threshold`, `text`, `reasons` and `warnings`.
        attention: The words with their attention weights; None for a detector without attention.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If the file cannot be written.
    """
    content = "".join(word for word, _ in words)
    weights = sorted((each for each in attention or () if each[0].strip()), key=lambda each: -each[1])
    return write_page(
        "explanation.html", path,
        prediction=prediction,
        text=highlight_text(content, words, len(content)),
        attention=weights[:MAX_ATTENTION_ROWS],
    )  # fmt: skip
