"""One article: a post or a news piece, with what is known of it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import to_jsonable_python

from zhenwei.news.fields import (
    Label,
    parse_content,
    parse_emotion,
    parse_entities,
    parse_label,
    parse_name,
    parse_time,
)

TARGETS: dict[Label | None, int | None] = {"real": 0, "fake": 1, None: None}


class Article(BaseModel):
    """A post or news piece, checked and frozen; unknown extra fields are kept as they are.

    Attributes:
        content: The text; never blank.
        label: `"real"`, `"fake"`, or None where it is not known. Also read from 0/1 in any spelling.
        id: What tells the article from others in its collection. A whole number is kept as its digits.
        time: When it was published, a naive datetime: UTC where the source named a zone or gave Unix seconds,
            else as written.
        domain: Its topic, or its year.
        entity_list: Its named entities, in order of appearance; None where nobody looked for them.
        emotion: Its emotion features; finite.

    Raises:
        pydantic.ValidationError: A field has a value that cannot be used; each message is of the form
            "found X; expected Y".
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    content: Annotated[str, BeforeValidator(parse_content)]
    label: Annotated[Label | None, BeforeValidator(parse_label)] = None
    id: Annotated[str | None, BeforeValidator(parse_name)] = None
    time: Annotated[datetime | None, BeforeValidator(parse_time)] = None
    domain: Annotated[str | None, BeforeValidator(parse_name)] = None
    entity_list: Annotated[tuple[str, ...] | None, BeforeValidator(parse_entities)] = None
    emotion: Annotated[tuple[float, ...] | None, BeforeValidator(parse_emotion)] = None

    @property
    def target(self) -> int | None:
        """The label as the number that a model learns: 0 real, 1 fake, None unknown."""
        return TARGETS[self.label]

    @property
    def extra(self) -> dict[str, Any]:
        """The unknown fields that came with the article."""
        return self.__pydantic_extra__ or {}

    def to_row(self) -> dict[str, Any]:
        """The article as a JSON-ready dict, `id` first, with only the fields that are set.

        `time` is written as `YYYY-MM-DD HH:MM:SS` (with a fraction only where it has one), `entity_list` as
        `[{"entity": "..."}]`, as ENDEF does. Extra values that JSON does not know become text, NaN null.
        """
        row: dict[str, Any] = {
            "id": self.id,
            "content": self.content,
            "label": self.label,
            "time": None if self.time is None else self.time.isoformat(sep=" "),
            "domain": self.domain,
            "entity_list": _entity_rows(self.entity_list),
            "emotion": None if self.emotion is None else list(self.emotion),
        }
        row = {name: value for name, value in row.items() if value is not None}
        if self.extra:
            row |= to_jsonable_python(self.extra, inf_nan_mode="null", bytes_mode="base64", serialize_unknown=True)
        return row


def _entity_rows(entities: tuple[str, ...] | None) -> list[dict[str, str]] | None:
    return None if entities is None else [{"entity": entity} for entity in entities]
