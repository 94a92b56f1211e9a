"""Write the tables of configuration.md from the docstrings of the settings (`make docs`)."""

import re
from pathlib import Path

from zhenwei.config import Config, detector_names, settings_guide

PAGE = Path(__file__).with_suffix(".md")
START, END = "<!-- settings: written by `make docs` -->\n", "<!-- end of the settings -->\n"
COMMON = "bigru"  # the detector whose defaults are shown for the sections that all detectors share
HEAD = "| setting | default | meaning |\n| --- | --- | --- |\n"


def current_page(page: str) -> str:
    """Return the page with current tables and its prose unchanged."""
    before, rest = page.split(START)
    _, after = rest.split(END)
    return before + START + "\n" + settings_tables() + "\n" + END + after


def settings_tables() -> str:
    """Return one table per section, and for `model` one per detector."""
    tables = []
    for section in ("data", "model", "training", "output"):
        for detector in detector_names() if section == "model" else [COMMON]:
            title = f"`model`, with `name` `{detector}`" if section == "model" else f"`{section}`"
            tables.append(f"### {title}\n\n" + HEAD + _rows(detector, rf"{section}\."))
    tables.append("### The top level\n\n" + HEAD + _rows(COMMON, r"[a-z_]+`"))
    return "\n".join(tables)


def _rows(detector: str, names: str) -> str:
    """Return the rows of a detector's guide whose setting matches a pattern."""
    config = Config.load({"model": {"name": detector}})
    lines = settings_guide(config).splitlines(keepends=True)
    return "".join(line for line in lines if re.match(rf"\| `{names}", line))


if __name__ == "__main__":
    PAGE.write_text(current_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE.name}")
