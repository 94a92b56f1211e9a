"""Bodies of requests: strictly typed, unknown fields are errors, with examples for the OpenAPI document."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from zhenwei.news.fields import is_blank

Verdict = Literal["real", "fake"]
PredictedVerdict = Literal["real", "fake", "unsure"]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

EXAMPLE = "听说云溪市的自来水出大事了，内部消息，赶紧转给家人！"
MAX_NEIGHBOURS = 50
MAX_NAME = 200  # characters of an id or of a reviewer's name
MAX_COMMENT = 2000
# Texts have line breaks and tabs; other controls come from broken software, and some databases reject them.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
NO_CONTROLS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"


def _check_text(text: str) -> str:
    control = CONTROLS.search(text)
    if control is not None:
        raise ValueError(
            f"found the control character U+{ord(control.group()):04X} at character {control.start() + 1}; "
            "expected plain text"
        )
    if is_blank(text):
        raise ValueError("found a blank text")
    return text


Name = Annotated[str, Field(max_length=MAX_NAME, pattern=ONE_LINE)]
Text = Annotated[
    str,
    Field(
        min_length=1,
        description="A text, not blank, without control characters.",
        json_schema_extra={"pattern": NO_CONTROLS},  # the validator's message says which character it is
    ),
    AfterValidator(_check_text),
]


class ApiRequest(BaseModel):
    """A request's body. Types are not coerced, and unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class PredictRequest(ApiRequest):
    """Texts to predict: `texts`, or one `text`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"texts": [EXAMPLE]}, {"text": EXAMPLE}, {"texts": [EXAMPLE], "ids": ["post-1"]}],
            "oneOf": [{"required": ["texts"]}, {"required": ["text"], "not": {"required": ["ids"]}}],
        }
    )

    texts: list[Text] = Field(default_factory=list, min_length=1)
    """Texts to predict."""

    text: Text = Field(default_factory=str)
    """The only text to predict."""

    ids: list[Name] = Field(default_factory=list)
    """Ids of the texts, one per text; the predictions carry them."""

    return_texts: bool = False
    """Return each text with its prediction."""

    @field_validator("ids")
    @classmethod
    def _check_ids(cls, ids: list[str], info: ValidationInfo) -> list[str]:
        texts = info.data.get("texts", ids)  # invalid texts are an error of their own
        if len(ids) != len(texts):
            raise ValueError(f"found {len(ids)} for {len(texts)} texts; expected one per text")
        return ids

    @model_validator(mode="after")
    def _check_texts(self) -> Self:
        if ("texts" in self.model_fields_set) == ("text" in self.model_fields_set):
            raise ValueError('expected either {"texts": ["..."]} or {"text": "..."}')
        return self


class ExplainRequest(ApiRequest):
    """A text whose prediction is explained."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": EXAMPLE}]})

    text: Text
    """The text."""


class NeighboursRequest(ApiRequest):
    """A text to search similar known cases for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": EXAMPLE, "k": 5}]})

    text: Text
    """The text."""

    k: Annotated[int, Field(ge=1, le=MAX_NEIGHBOURS)] = 5
    """Number of cases."""


class FeedbackRequest(ApiRequest):
    """A reviewer's verdict on a text, and what was predicted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": EXAMPLE, "verdict": "fake", "predicted_verdict": "fake", "predicted_probability": 0.93,
                    "comment": "水务公司已辟谣", "reviewer": "editor-7",
                }
            ]
        }
    )  # fmt: skip

    text: Text
    """The text."""

    verdict: Verdict
    """The reviewer's verdict."""

    predicted_verdict: PredictedVerdict | None = None
    """The predicted verdict that the reviewer saw; without it, the review does not count for the agreement."""

    predicted_probability: Probability | None = None
    """The predicted probability that the reviewer saw."""

    bundle_version: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The version of the bundle that made the prediction; by default the one that is served now."""

    comment: Annotated[str, Field(max_length=MAX_COMMENT, pattern=NO_CONTROLS)] | None = None
    """The reviewer's reasons."""

    reviewer: Name | None = None
    """The reviewer's name."""
