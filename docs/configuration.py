"""Writes the tables of configuration.md from the docstrings of the settings: `make docs`."""

import re
from pathlib import Path

from zhenwei.config import detector_names, settings_guide

PAGE = Path(__file__).with_suffix(".md")
START, END = "<!-- settings: written by `make docs` -->\n", "<!-- end of the settings -->\n"
COMMON = "bigru"  # whose defaults stand for those of the sections that all detectors share
HEAD = "| setting | default | what it does |\n| --- | --- | --- |\n"


def current_page(page: str) -> str:
    """Return the page with its tables as the settings are now; the prose around them stays."""
    before, rest = page.split(START)
    _, after = rest.split(END)
    return before + START + "\n" + settings_tables() + "\n" + END + after


def settings_tables() -> str:
    """Return one table per section; `model` has one for each detector, the other sections are common to all."""
    tables = []
    for section in ("data", "model", "training", "output"):
        for detector in detector_names() if section == "model" else [COMMON]:
            title = f"`model`, with `name` `{detector}`" if section == "model" else f"`{section}`"
            tables.append(f"### {title}\n\n" + HEAD + _rows(detector, rf"{section}\."))
    tables.append("### The top level\n\n" + HEAD + _rows(COMMON, r"[a-z_]+`"))
    return "\n".join(tables)


def _rows(detector: str, names: str) -> str:
    """Return the rows of a detector's guide whose setting matches a pattern."""
    lines = settings_guide(detector).splitlines(keepends=True)
    return "".join(line for line in lines if re.match(rf"\| `{names}", line))


if __name__ == "__main__":
    PAGE.write_text(current_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE.name}")
