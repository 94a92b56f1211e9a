"""Every page is a single accessible file that shows texts verbatim."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zhenwei.errors import ConfigError
from zhenwei.evaluation.report import write_audit_page, write_evaluation_page

pytestmark = pytest.mark.slow  # whole reports

KINDS = ("run", "evaluation", "bare", "comparison", "single", "audit")

every_page = pytest.mark.parametrize("kind", KINDS)


@every_page
def test_a_page_loads_nothing(page: Callable[[str], Any], kind: str) -> None:
    html = page(kind)
    assert not [url for name in ("src", "srcset", "data", "action") for url in html.values(name)]
    assert all(link.startswith(("#", "data:,")) for link in html.values("href") + html.values("xlink:href"))
    assert "://" not in html.source
    assert "@import" not in html.source


@every_page
def test_markup_in_texts_is_escaped(page: Callable[[str], Any], kind: str, records: ModuleType) -> None:
    html = page(kind)
    scripts = [attributes for tag, attributes in html.tags if tag == "script"]
    assert len(scripts) == 1, "only the page's own, for sorting"
    assert not [name for _, attributes in html.tags for name in attributes if name.startswith("on")]
    if kind in ("run", "evaluation", "bare", "audit"):
        assert records.HOSTILE.replace("  ", " ") in html.text


@every_page
def test_ids_are_unique_and_internal_links_resolve(page: Callable[[str], Any], kind: str) -> None:
    html = page(kind)
    ids = html.values("id")
    assert len(ids) == len(set(ids))
    links = html.values("href") + html.values("xlink:href") + re.findall(r"url\((#[^)]*)\)", html.source)
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


@every_page
def test_headings_are_nested_and_the_language_is_declared(page: Callable[[str], Any], kind: str) -> None:
    html = page(kind)
    levels = [int(tag[1]) for tag, _ in html.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert dict(html.tags)["html"]["lang"] == "en"
    assert "zh" in html.values("lang")


@every_page
def test_charts_have_labels_and_use_the_colors_of_the_page(page: Callable[[str], Any], kind: str) -> None:
    html = page(kind)
    charts = [attributes for tag, attributes in html.tags if tag == "svg"]
    assert all(each["role"] == "img" and each["aria-label"] for each in charts)
    body = html.source[html.source.index("<body") :]
    inline = re.findall(r"(?:fill|stroke): ([^;\"]+)", body)
    assert {color for color in inline if not color.startswith("var(--")} <= {"none"}
    defined = set(re.findall(r"(--[a-z-]+\d?):", html.source))
    assert set(re.findall(r"var\((--[a-z-]+)\)", html.source)) <= defined


@pytest.mark.parametrize(
    "kind", ["run", *(pytest.param(kind, marks=pytest.mark.nightly) for kind in KINDS if kind != "run")]
)
def test_a_page_is_reproducible(
    page_file: Callable[[str], Path], kind: str, records: ModuleType, tiny_run: Path, tmp_path: Path
) -> None:
    again = records.write_page(kind, tiny_run, tmp_path / f"{kind}.html")
    assert again.read_bytes() == page_file(kind).read_bytes()


def test_a_failed_write_is_a_clear_error_and_leaves_the_older_page(records: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere/page\.html: the page cannot be written: No such file"):
        write_audit_page(records.audit(), tmp_path / "nowhere" / "page.html")
    older = write_audit_page(records.audit(), tmp_path / "page.html").read_bytes()
    (tmp_path / ".page.html.new").mkdir()  # blocks the temporary file
    with pytest.raises(ConfigError, match=r"page\.html: the page cannot be written"):
        write_evaluation_page(records.bare_evaluation(), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == older
