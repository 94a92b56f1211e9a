"""Fixtures for the tests of report pages: synthetic records, written pages, and a strict HTML parser."""

import importlib.util
import warnings
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

VOID = {"meta", "link", "br", "hr", "img", "input"}
IN_SVG = {"path", "use", "rect", "clippath"}  # may be self-closing


class Page(HTMLParser):
    """A parsed page: its text, its tags in order and its attributes. An unclosed tag is an error."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(self.source)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID | IN_SVG, tag
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


@pytest.fixture(scope="session")
def records() -> ModuleType:
    """The module `records.py`."""
    spec = importlib.util.spec_from_file_location("report_records", Path(__file__).with_name("records.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def page_file(records: ModuleType, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that returns the file of a kind of page; each is written once per session, without any warning."""
    folder = tmp_path_factory.mktemp("pages")

    @cache
    def write(kind: str) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as matplotlib's about a missing glyph
            return Path(records.write_page(kind, tiny_run, folder / f"{kind}.html"))

    return write


@pytest.fixture(scope="session")
def page(page_file: Callable[[str], Path]) -> Callable[[str], Page]:
    """A function that returns the parsed page of a kind."""
    return cache(lambda kind: Page(page_file(kind)))


@pytest.fixture
def read_page() -> Callable[[Path], Page]:
    """A function that parses a page."""
    return Page
