"""The article: a post or a news piece with its optional fields."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import Any, Self

from pydantic_core import to_jsonable_python

from zhenwei.errors import DataError
from zhenwei.news.fields import (
    FieldError,
    Label,
    format_value,
    parse_content,
    parse_emotion,
    parse_entities,
    parse_label,
    parse_name,
    parse_time,
)

_TARGETS: dict[Label | None, int | None] = {"real": 0, "fake": 1, None: None}
_PARSERS: dict[str, Callable[[object], Any]] = {
    "content": parse_content,
    "label": parse_label,
    "id": parse_name,
    "time": parse_time,
    "domain": parse_name,
    "entity_list": parse_entities,
    "emotion": parse_emotion,
    "rewrite_of": parse_name,
}
FIELDS = tuple(_PARSERS)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class ArticleError(DataError):
    """Values cannot become an article; the message names each field, what was found and what was expected.

    Attributes:
        problems: One message per problem, without the name of its field.
    """

    def __init__(self, message: str, problems: Sequence[str]) -> None:
        super().__init__(message, problems)
        self.problems = problems

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, init=False)
class Article:
    """A post or news piece. Every value is parsed and validated; the article is immutable.

    Attributes:
        content: The text; never blank.
        label: `"real"`, `"fake"`, or None if unknown. Given as such, or as 0/1.
        id: Identifies the article within its dataset. A whole number is stored as its digits.
        time: Time of publication, a naive datetime: in UTC if it was given as Unix seconds or with a time zone,
            else as written.
        domain: Its topic, or its year.
        entity_list: Its named entities in order of appearance; None if they were not extracted.
        emotion: Its emotion features; finite.
        rewrite_of: The id of the article whose content it tells in other words; None if it is an original.
        extra: Fields that zhenwei does not know; they are passed through unchanged.

    Raises:
        ArticleError: A value does not fit its field.
    """

    content: str
    label: Label | None = None
    id: str | None = None
    time: datetime | None = None
    domain: str | None = None
    entity_list: tuple[str, ...] | None = None
    emotion: tuple[float, ...] | None = None
    rewrite_of: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    def __init__(
        self,
        *,
        content: object,
        label: object = None,
        id: object = None,
        time: object = None,
        domain: object = None,
        entity_list: object = None,
        emotion: object = None,
        rewrite_of: object = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        values = {"content": content, "label": label, "id": id, "time": time, "domain": domain}
        values |= {"entity_list": entity_list, "emotion": emotion, "rewrite_of": rewrite_of}
        _fill(self, values, dict(extra or {}))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Build an article from a dict of its fields, such as an object of a JSON file.

        Args:
            row: The fields by name; names other than the article's own become `extra`.

        Raises:
            ArticleError: A value does not fit its field, or `content` is missing.
        """
        article = cls.__new__(cls)
        others = row.keys() - _PARSERS.keys()
        _fill(article, row, {name: value for name, value in row.items() if name in others} if others else {})
        return article

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[Any]], count: int) -> list[Self]:
        """Build articles from their values by field; faster than row by row.

        Args:
            columns: `count` values for each field, with `content` among the fields. A null in an unknown field is
                left out of `extra`.
            count: Number of articles.

        Raises:
            FieldError: A value does not fit its field.
        """
        articles = list(map(cls.__new__, repeat(cls, count)))
        for name, parse in _PARSERS.items():
            values = map(parse, columns[name]) if name in columns else repeat(None)
            _set_all(name, articles, values)
        others = [name for name in columns if name not in _PARSERS]
        rows = zip(*(columns[name] for name in others), strict=True) if others else repeat((), count)
        pairs = (zip(others, row, strict=True) for row in rows)
        _set_all("extra", articles, ({name: value for name, value in row if value is not None} for row in pairs))
        return articles

    @property
    def target(self) -> int | None:
        """The label as the number that a model learns: 0 real, 1 fake, None unknown."""
        return _TARGETS[self.label]

    def to_row(self) -> dict[str, Any]:
        """Return the article as a JSON-ready dict, `id` first, with only the fields that are set.

        `time` is written as `YYYY-MM-DD HH:MM:SS` (with a fraction only if it has one), `entity_list` as
        `[{"entity": "..."}]`, like ENDEF's. Extra values that JSON does not support become text, NaN becomes null.
        """
        entities = self.entity_list
        row: dict[str, Any] = {
            "id": self.id,
            "content": self.content,
            "label": self.label,
            "time": None if self.time is None else self.time.isoformat(sep=" "),
            "domain": self.domain,
            "entity_list": None if entities is None else [{"entity": entity} for entity in entities],
            "emotion": None if self.emotion is None else list(self.emotion),
            "rewrite_of": self.rewrite_of,
        }
        row = {name: value for name, value in row.items() if value is not None}
        if self.extra:
            row |= to_jsonable_python(self.extra, inf_nan_mode="null", bytes_mode="base64", serialize_unknown=True)
        return row


# A frozen dataclass refuses `article.content = ...`; the descriptor of the slot does not.
_SETTERS: dict[str, Callable[[Article, Any], None]] = {
    name: getattr(Article, name).__set__ for name in (*FIELDS, "extra")
}
_ASSIGNMENTS = [(name, _SETTERS[name], parse) for name, parse in _PARSERS.items()]


def _fill(article: Article, values: Mapping[str, object], extra: dict[str, Any]) -> None:
    """Parse the values of an article's fields, and store them."""
    try:
        for name, assign, parse in _ASSIGNMENTS:
            assign(article, parse(values.get(name)))
        problems = _name_problems(extra) if extra else ()
    except FieldError:
        raise _error(values, extra) from None
    if problems:
        raise _error(values, extra)
    _SETTERS["extra"](article, extra)


def _set_all(name: str, articles: list[Any], values: Iterable[Any]) -> None:
    """Set one field of many articles."""
    deque(map(_SETTERS[name], articles, values), maxlen=0)  # a loop without bytecode


def _error(values: Mapping[str, object], extra: Mapping[str, Any]) -> ArticleError:
    """Return the error that names all problems of an article."""
    messages: list[str] = []
    problems: list[str] = []
    for name, parse in _PARSERS.items():
        try:
            parse(values.get(name))
        except FieldError as problem:
            problems.append(str(problem))
            messages.append(f"field '{name}': {problem}")
    names = _name_problems(extra)
    return ArticleError("; ".join([*messages, *names]), [*problems, *names])


def _name_problems(extra: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the names of extra fields."""
    problems = []
    for name in extra:
        if not isinstance(name, str):
            problems.append(f"found a field named {format_value(name)}; expected a string as name")
        elif name in _PARSERS:
            problems.append(f"extra: found '{name}'; expected it as the argument of that name")
        elif _LONE_SURROGATE.search(name):
            problems.append(f"found a field named {format_value(name)}; expected a name without lone surrogates")
    return problems
