"""The page about a detector judged on one labelled file."""

import os
import shlex
from pathlib import Path

from zhenwei.evaluation.records import Evaluation
from zhenwei.evaluation.report.dataset_labels import judged
from zhenwei.evaluation.report.evaluation_context import assessed
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.provenance import judged_files, versions


def write_evaluation_page(assessment: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Write the page of an assessment, whole or not at all.

    Args:
        assessment: What `evaluate` found.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If it cannot be written.
    """
    parts = judged([assessment])
    return write_page(
        "assessment.html", path,
        name=Path(assessment.file).name,
        view=assessed(parts),
        commands=(f"zhenwei evaluate RUN {shlex.quote(assessment.file)} --html {shlex.quote(Path(path).name)}",),
        files=judged_files(parts),
        versions=versions(),
    )  # fmt: skip
