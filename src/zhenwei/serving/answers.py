"""What requests are answered with, as the OpenAPI document shows it."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from zhenwei.serving.bodies import EXAMPLE, Verdict

VERSION = "5f0c" * 16


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


class ExplainAnswer(BaseModel):
    """Why a text was judged so."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "prediction": {
                    "text": EXAMPLE, "verdict": "fake", "probability": 0.93, "threshold": 0.5, "warnings": []
                },
                "words": [["听说", 0.8], ["云溪市", 0.1]],
                "method": "occlusion",
                "attention": None,
                "bundle": {"name": "demo", "version": VERSION},
            }
        },
    )  # fmt: skip

    prediction: dict[str, Any]
    words: list[Any]
    method: str
    attention: list[Any] | None = None
    bundle: BundleAnswer


class NeighboursAnswer(Answer):
    """Similar known cases, the most similar first."""

    neighbours: list[dict[str, Any]]
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


class StatusAnswer(BaseModel):
    """How the service is."""

    model_config = ConfigDict(extra="allow")

    status: str


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
