"""The page about a detector evaluated on one labeled file."""

import os
import shlex
from pathlib import Path

from zhenwei.evaluation.records import Evaluation
from zhenwei.evaluation.report.dataset_labels import label_datasets
from zhenwei.evaluation.report.evaluation_context import evaluation_context
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.provenance import cite_datasets, package_versions


def write_evaluation_page(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Write the page of an evaluation atomically.

    Args:
        evaluation: The evaluation.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If the file cannot be written.
    """
    results = label_datasets([evaluation])
    return write_page(
        "evaluation.html", path,
        name=Path(evaluation.file).name,
        evaluations=evaluation_context(results),
        commands=(f"zhenwei evaluate RUN {shlex.quote(evaluation.file)} --html {shlex.quote(Path(path).name)}",),
        files=cite_datasets(results),
        versions=package_versions(),
    )  # fmt: skip
