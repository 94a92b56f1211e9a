"""Render Jinja templates into self-contained pages, and write them atomically."""

import json
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.filters import do_mark_safe

import zhenwei
from zhenwei.atomic import reason_of, write_atomic
from zhenwei.errors import ConfigError
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.highlighted_text import highlight_text

_FILTERS = (
    "score", "signed", "interval", "count", "percent", "p_value", "duration", "size", "cell", "metric_name",
    "language", "capitalize_first",
)  # fmt: skip


def _printable(value: Any) -> Any:
    return formatting.printable(value) if type(value) is str else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Return the template environment: it escapes every text, and raises an error for an undefined name."""
    environment = Environment(
        loader=PackageLoader("zhenwei.evaluation.report"), autoescape=True, undefined=StrictUndefined,
        finalize=_printable, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {name: getattr(formatting, name) for name in _FILTERS}
    environment.filters |= {
        "highlighted": highlight_text,
        "indented_json": partial(json.dumps, indent=2, ensure_ascii=False),
    }
    environment.globals["metrics"] = formatting.METRICS
    environment.filters["prose"] = lambda text: do_mark_safe(formatting.prose(text))  # it escapes the text
    return environment


def write_page(template: str, path: str | os.PathLike[str], **context: Any) -> Path:
    """Render a page and write it atomically.

    Args:
        template: The template's file name.
        path: The file to write; an older one is replaced.
        **context: The template's variables.

    Returns:
        The file.

    Raises:
        ConfigError: If the file cannot be written.
    """
    path = Path(path)
    text = _environment().get_template(template).render(**context, version=zhenwei.__version__)
    try:
        write_atomic(text, path)
    except OSError as error:
        raise ConfigError(f"{path}: the page cannot be written: {reason_of(error)}") from None
    return path
