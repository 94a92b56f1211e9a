"""What requests must look like: typed, unknown fields refused, with examples for the OpenAPI document."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Verdict = Literal["real", "fake"]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

EXAMPLE = "听说云溪市的自来水出大事了，内部消息，赶紧转给家人！"
MAX_NEIGHBOURS = 50
MAX_NAME = 200  # characters of an id or of a reviewer's name
MAX_COMMENT = 2000
# Line breaks and tabs belong to texts; other controls come from broken software, and databases refuse some of them.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
NO_CONTROLS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"

Name = Annotated[str, Field(max_length=MAX_NAME, pattern=ONE_LINE)]
Text = Annotated[
    str,
    Field(
        min_length=1,
        description="A text, not blank, without control characters.",
        json_schema_extra={"pattern": NO_CONTROLS},  # checked by hand, to tell which character it is
    ),
]


class Body(BaseModel):
    """A request's body. Nothing is converted in silence, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class PredictBody(Body):
    """Texts to judge: `texts`, or one `text`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"texts": [EXAMPLE]}, {"text": EXAMPLE}, {"texts": [EXAMPLE], "ids": ["post-1"]}],
            "oneOf": [{"required": ["texts"]}, {"required": ["text"], "not": {"required": ["ids"]}}],
        }
    )

    texts: Annotated[list[Text], Field(min_length=1)] = []
    """Texts to judge."""

    text: Text = ""
    """The one text to judge."""

    ids: list[Name] = []
    """Names of the texts, as many as there are texts; the predictions carry them."""

    return_texts: bool = False
    """Give each text back with its prediction."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if ("texts" in self.model_fields_set) == ("text" in self.model_fields_set):
            raise ValueError('expected {"texts": ["..."]} or {"text": "..."}, one of the two')
        if "ids" in self.model_fields_set and len(self.ids) != len(self.texts):
            raise ValueError(f"ids: found {len(self.ids)} for {len(self.texts)} texts; expected one per text")
        return self

    def all_texts(self) -> list[str]:
        """Return the texts, be they many or one."""
        return self.texts or [self.text]


class ExplainBody(Body):
    """A text whose verdict is to be explained."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": EXAMPLE}]})

    text: Text
    """The text."""


class NeighboursBody(Body):
    """A text to which similar known cases are sought."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": EXAMPLE, "k": 5}]})

    text: Text
    """The text."""

    k: Annotated[int, Field(ge=1, le=MAX_NEIGHBOURS)] = 5
    """How many to find."""


class FeedbackBody(Body):
    """A reviewer's verdict on a text, and what had been predicted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": EXAMPLE,
                    "verdict": "fake",
                    "predicted_verdict": "fake",
                    "predicted_probability": 0.93,
                    "comment": "水务公司已辟谣",
                    "reviewer": "editor-7",
                }
            ]
        }
    )

    text: Text
    """The text."""

    verdict: Verdict
    """The reviewer's verdict."""

    predicted_verdict: Verdict | None = None
    """The detector's verdict that the reviewer saw; agreement is counted where it is known."""

    predicted_probability: Probability | None = None
    """The detector's probability that the reviewer saw."""

    bundle_version: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The version of the bundle that predicted it; the one now served unless given."""

    comment: Annotated[str, Field(max_length=MAX_COMMENT, pattern=NO_CONTROLS)] | None = None
    """Why, in the reviewer's words."""

    reviewer: Name | None = None
    """Who."""


def body_schema(body: type[Body], max_texts: int, max_characters: int) -> dict[str, Any]:
    """Return the JSON schema of a body, with the limits that this service sets."""
    schema = body.model_json_schema()
    for name in ("text", "texts"):
        field = schema["properties"].get(name)
        if field is None:
            continue
        field.pop("default", None)  # it only says that the field may be missing
        (field["items"] if name == "texts" else field)["maxLength"] = max_characters
        if name == "texts":
            field["maxItems"] = max_texts
    return schema
