"""What requests are answered with, as the OpenAPI document shows it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from zhenwei.serving.schemas.requests import EXAMPLE, Verdict

VERSION = "5f0c" * 16
SHORT = "听说停水了"  # short enough for all its words to stand in an example


class Answer(BaseModel):
    """An answer: exactly these fields."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class BundleAnswer(Answer):
    """The bundle that answered."""

    name: str
    """The folder that is served."""

    version: str
    """The SHA-256 of its `detector.json`."""


class PredictionAnswer(Answer):
    """A verdict on a text."""

    verdict: Verdict
    """`fake` from the threshold on."""

    probability: float
    """Calibrated chance of fake, from 0 to 1."""

    threshold: float
    """The bundle's."""

    warnings: list[str]
    """What makes this verdict less trustworthy."""

    text: str | None = None
    """The text, where it was asked for."""

    id: str | None = None
    """The text's name, where it was given one."""


class PredictAnswer(Answer):
    """Verdicts in the order of the texts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "predictions": [{"verdict": "fake", "probability": 0.93, "threshold": 0.5, "warnings": []}],
                "bundle": {"name": "demo", "version": VERSION},
            }
        }
    )

    predictions: list[PredictionAnswer]
    bundle: BundleAnswer


class ExplainedAnswer(PredictionAnswer):
    """The verdict that is explained."""

    text: str
    """The text that was judged."""


class WordAttributionAnswer(Answer):
    """A word, and how it swayed the verdict."""

    word: str
    """A stretch of the text; all of them joined give the text."""

    attribution: float
    """By how much the network's logit of fake falls without it; above 0: it spoke for fake, below: for real."""


class WordWeightAnswer(Answer):
    """A word, and how much the network looked at it."""

    word: str
    """A stretch of the text; all of them joined give the text."""

    weight: float
    """Its share of the attention, from 0 to 1."""


class ExplainAnswer(Answer):
    """Why a text was judged so."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "prediction": {
                    "text": SHORT, "verdict": "fake", "probability": 0.93, "threshold": 0.5, "warnings": []
                },
                "method": "occlusion",
                "words": [
                    {"word": "听说", "attribution": 0.81}, {"word": "停水", "attribution": 0.34},
                    {"word": "了", "attribution": -0.05},
                ],
                "attention": [
                    {"word": "听说", "weight": 0.62}, {"word": "停水", "weight": 0.27}, {"word": "了", "weight": 0.11}
                ],
                "bundle": {"name": "demo", "version": VERSION},
            }
        },
    )  # fmt: skip

    prediction: ExplainedAnswer
    method: Literal["occlusion"]
    """How the attributions were found: each word was taken out, and the text judged anew."""

    words: list[WordAttributionAnswer]
    """The words in the order of the text."""

    attention: list[WordWeightAnswer] | None
    """The same words; null where the network pools without attention. It says where the network looked, not what its
    verdict rests on."""

    bundle: BundleAnswer


class NeighbourAnswer(Answer):
    """A known case."""

    label: Verdict | None
    """What it was found to be; null where nobody said."""

    similarity: float
    """Cosine of the two texts' TF-IDF of character 2- and 3-grams, from 0 to 1."""

    text: str | None
    """Its text; null where the bundle was given none."""

    id: str | None
    """Its name in its collection, where it has one."""


class NeighboursAnswer(Answer):
    """Similar known cases, the most similar first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "neighbours": [{"label": "fake", "similarity": 0.64, "text": EXAMPLE, "id": "post-1"}],
                "bundle": {"name": "demo", "version": VERSION},
            }
        }
    )

    neighbours: list[NeighbourAnswer]
    bundle: BundleAnswer


class FeedbackAnswer(Answer):
    """The feedback was kept."""

    id: int
    """Its number."""

    bundle_version: str
    """The version that it is held against."""


class WeekAnswer(Answer):
    """A week."""

    week: str
    predictions: int
    fakes: int
    fake_share: float | None
    confidence: float | None
    reviews: int
    reviewed_fakes: int
    compared: int
    agreed: int
    agreement: float | None
    bundles: list[str]


class DriftAnswer(Answer):
    """Weeks in which anything happened, the oldest first."""

    weeks: list[WeekAnswer]


class ReloadAnswer(Answer):
    """The bundle that is served from now on."""

    changed: bool
    bundle: BundleAnswer


class HealthAnswer(Answer):
    """Whether the service is alive."""

    status: str
    """`ok`, or what is wrong."""


class ReadyAnswer(Answer):
    """Whether the service should get requests."""

    status: Literal["ready", "draining", "not started"]
    bundle: BundleAnswer


class RefusalAnswer(Answer):
    """Why a request was not served."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": "texts[0]: found a blank text; expected one that says something",
                "field": "texts[0]",
                "request_id": "3f2a",
            }
        }
    )

    error: str
    """One sentence: which field, what was found, what would be right."""

    field: str | None
    """The field, as in `texts[3]`."""

    request_id: str
    """Under which the log tells of it."""
