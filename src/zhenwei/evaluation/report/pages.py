"""Pages: templates filled in, style sheet and all, and written whole."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.filters import do_mark_safe

import zhenwei
from zhenwei.atomic import reason_of, write_atomic
from zhenwei.errors import ConfigError
from zhenwei.evaluation.report import wording

STYLES = ("palette.css", "page.css", "parts.css", "print.css")
SCRIPT = "page.js"


def _shown(value: Any) -> Any:
    """Return what a template writes of a value: of a text, only what can be shown."""
    return wording.visible(value) if type(value) is str else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Return what fills in templates; every text is escaped, and a name that a template lacks is an error."""
    environment = Environment(
        loader=PackageLoader("zhenwei.evaluation.report"), autoescape=True, undefined=StrictUndefined, finalize=_shown,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        name: getattr(wording, name)
        for name in (
            "score", "signed", "interval", "count", "percent", "p_value", "duration", "size", "cell", "metric_name",
            "language", "upper_first",
        )
    }  # fmt: skip
    environment.filters["prose"] = lambda text: do_mark_safe(wording.prose(text))  # it has escaped the text
    environment.globals["metrics"] = wording.METRICS
    return environment


def write_page(template: str, path: str | os.PathLike[str], **content: Any) -> Path:
    """Write a page, whole or not at all.

    Args:
        template: Its template.
        path: The file to write; an older one is replaced.
        **content: What the template names.

    Returns:
        The file.

    Raises:
        ConfigError: If it cannot be written.
    """
    environment, path = _environment(), Path(path)
    style = "".join(_asset(environment, name) for name in STYLES)
    text = environment.get_template(template).render(
        **content,
        style=do_mark_safe(style),
        script=do_mark_safe(_asset(environment, SCRIPT)),
        version=zhenwei.__version__,
    )
    try:
        write_atomic(text, path)
    except OSError as error:
        raise ConfigError(f"{path}: the page cannot be written: {reason_of(error)}") from None
    return path


def _asset(environment: Environment, name: str) -> str:
    """Return a style sheet or script of the package; it is ours, so nothing in it is escaped."""
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
