"""Every page: one file that needs nothing else, shows texts as they are, and can be read by all."""

import re
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zhenwei.errors import ConfigError
from zhenwei.evaluation.report import (
    write_audit_page,
    write_comparison_page,
    write_evaluation_page,
    write_run_page,
)

KINDS = ("run", "assessment", "bare", "comparison", "single", "audit")


def write(kind: str, records: Any, run: Path, path: Path) -> Path:
    if kind == "run":
        return write_run_page(run, path, [records.assessment("val"), records.assessment("test")], records.audit())
    if kind == "assessment":
        return write_evaluation_page(records.assessment("test"), path)
    if kind == "bare":
        return write_evaluation_page(records.bare_assessment(), path)
    if kind == "comparison":
        return write_comparison_page(records.comparison(), path)
    if kind == "single":
        return write_comparison_page(records.comparison((1,), test=False), path)
    return write_audit_page(records.audit(), path)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def path(kind: str, records: ModuleType, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as matplotlib's of a glyph that its own font lacks
        return write(kind, records, tiny_run, tmp_path_factory.mktemp("pages") / f"{kind}.html")


def test_a_page_needs_nothing_from_outside(path: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(path)
    assert not [url for name in ("src", "srcset", "data", "action") for url in page.values(name)]
    assert all(link.startswith(("#", "data:,")) for link in page.values("href") + page.values("xlink:href"))
    assert "://" not in page.source
    assert "@import" not in page.source


def test_hostile_texts_are_shown_and_not_obeyed(
    path: Path, kind: str, records: ModuleType, read_page: Callable[[Path], Any]
) -> None:
    page = read_page(path)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert len(scripts) == 1, "the page's own, for sorting"
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    if kind in ("run", "assessment", "bare", "audit"):
        assert records.HOSTILE.replace("  ", " ") in page.text


def test_ids_are_unique_and_every_link_within_the_page_leads_somewhere(
    path: Path, read_page: Callable[[Path], Any]
) -> None:
    page = read_page(path)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    links = page.values("href") + page.values("xlink:href") + re.findall(r"url\((#[^)]*)\)", page.source)
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_headings_come_in_order_and_the_page_says_its_language(path: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(path)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert dict(page.tags)["html"]["lang"] == "en"
    assert "zh" in page.values("lang")


def test_every_picture_has_a_name_and_follows_the_colours_of_the_page(
    path: Path, read_page: Callable[[Path], Any]
) -> None:
    page = read_page(path)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(each["role"] == "img" and each["aria-label"] for each in pictures)
    body = page.source[page.source.index("<body") :]
    inline = re.findall(r"(?:fill|stroke): ([^;\"]+)", body)
    assert {colour for colour in inline if not colour.startswith("var(--")} <= {"none"}
    defined = set(re.findall(r"(--[a-z-]+\d?):", page.source))
    assert set(re.findall(r"var\((--[a-z-]+)\)", page.source)) <= defined


def test_a_page_is_the_same_each_time_it_is_written(
    path: Path, kind: str, records: ModuleType, tiny_run: Path, tmp_path: Path
) -> None:
    again = write(kind, records, tiny_run, tmp_path / path.name)
    assert again.read_bytes() == path.read_bytes()


def test_a_page_that_cannot_be_written_is_a_clear_mistake_and_leaves_the_older_one(
    records: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"nowhere/page\.html: the page cannot be written: No such file"):
        write_audit_page(records.audit(), tmp_path / "nowhere" / "page.html")
    older = write_audit_page(records.audit(), tmp_path / "page.html").read_bytes()
    (tmp_path / ".page.html.new").mkdir()  # in the way of what is written beside
    with pytest.raises(ConfigError, match=r"page\.html: the page cannot be written"):
        write_evaluation_page(records.bare_assessment(), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == older
