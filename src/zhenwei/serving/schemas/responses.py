"""Bodies of responses."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from zhenwei.serving.schemas.requests import EXAMPLE, PredictedVerdict, Verdict

BUNDLE_EXAMPLE: JsonDict = {"name": "demo", "version": "5f0c" * 16}
PREDICTION_EXAMPLE: JsonDict = {"verdict": "fake", "probability": 0.93, "threshold": 0.5, "reasons": [], "warnings": []}


class ApiResponse(BaseModel):
    """A response's body: exactly these fields."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class BundleInfo(ApiResponse):
    """The bundle that produced the response."""

    name: str
    """The folder that is served."""

    version: str
    """The SHA-256 of its `detector.json`."""


class AbstentionReason(ApiResponse):
    """Why there is no verdict."""

    code: str
    """For programs, as in `too_few_words`."""

    en: str
    """In English."""

    zh: str
    """In Chinese."""


class TextPrediction(ApiResponse):
    """The prediction of one text."""

    id: str | None = None
    """The text's id, if the request has ids."""

    text: str | None = None
    """The text, if the request asks for it."""

    verdict: PredictedVerdict
    """`fake` from the threshold on, else `real`; `unsure` if there are reasons for no verdict."""

    probability: float
    """Calibrated probability of fake, from 0 to 1; without meaning if there are reasons."""

    threshold: float
    """The bundle's threshold."""

    reasons: list[AbstentionReason]
    """Why there is no verdict; empty if there is one."""

    warnings: list[str]
    """What makes this prediction less trustworthy."""


class PredictResponse(ApiResponse):
    """Predictions in the order of the texts."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"predictions": [PREDICTION_EXAMPLE], "bundle": BUNDLE_EXAMPLE}}
    )

    predictions: list[TextPrediction]
    bundle: BundleInfo


class ExplainedPrediction(TextPrediction):
    """The prediction that is explained."""

    text: str
    """The text."""


class WordAttribution(ApiResponse):
    """A word, and its influence on the prediction."""

    word: str
    """A part of the text; all words joined are the text."""

    attribution: float
    """The drop of the network's logit of fake without this word: positive towards fake, negative towards real."""


class WordWeight(ApiResponse):
    """A word, and its attention weight."""

    word: str
    """A part of the text; all words joined are the text."""

    weight: float
    """Its share of the attention, from 0 to 1."""


class ExplainResponse(ApiResponse):
    """The explanation of a prediction."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "prediction": {"text": "听说停水了", **PREDICTION_EXAMPLE},
                "method": "occlusion",
                "words": [
                    {"word": "听说", "attribution": 0.81}, {"word": "停水", "attribution": 0.34},
                    {"word": "了", "attribution": -0.05},
                ],
                "attention": [
                    {"word": "听说", "weight": 0.62}, {"word": "停水", "weight": 0.27}, {"word": "了", "weight": 0.11}
                ],
                "bundle": BUNDLE_EXAMPLE,
            }
        },
    )  # fmt: skip

    prediction: ExplainedPrediction
    method: Literal["occlusion"]
    """The method of the attributions: the text is predicted again without each word."""

    words: list[WordAttribution]
    """The words in the order of the text."""

    attention: list[WordWeight] | None
    """The attention weights; null if the network has no attention. They do not explain the prediction."""

    bundle: BundleInfo


class Neighbour(ApiResponse):
    """A known case."""

    label: Verdict | None
    """Its label; null if it has none."""

    similarity: float
    """Cosine of the two texts' TF-IDF of character 2- and 3-grams, from 0 to 1."""

    text: str | None
    """Its text; null if the bundle does not contain it."""

    id: str | None
    """Its id; null if it has none."""


class NeighboursResponse(ApiResponse):
    """Similar known cases, the most similar first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "neighbours": [{"label": "fake", "similarity": 0.64, "text": EXAMPLE, "id": "post-1"}],
                "bundle": BUNDLE_EXAMPLE,
            }
        }
    )

    neighbours: list[Neighbour]
    bundle: BundleInfo


class FeedbackResponse(ApiResponse):
    """The stored review."""

    id: int
    """Its number."""

    bundle_version: str
    """The version of the bundle that it is about."""


class WeekResponse(ApiResponse):
    """Predictions and reviews of one week."""

    week: str
    predictions: int
    fakes: int
    unsure: int
    fake_share: float | None
    confidence: float | None
    reviews: int
    reviewed_fakes: int
    compared: int
    agreed: int
    agreement: float | None
    bundles: list[str]


class DriftResponse(ApiResponse):
    """Weeks with predictions or reviews, the oldest first."""

    weeks: list[WeekResponse]


class ReloadResponse(ApiResponse):
    """The bundle that is served from now on."""

    changed: bool
    bundle: BundleInfo


class HealthResponse(ApiResponse):
    """Whether the service is alive."""

    status: str
    """`ok`, or the problem."""


class ReadyResponse(ApiResponse):
    """Whether the service accepts requests."""

    status: Literal["ready", "draining", "not started"]
    bundle: BundleInfo


class Limits(ApiResponse):
    """Limits of a request; a request beyond them gets 413 or 422."""

    texts: int
    """Texts of a request."""

    characters: int
    """Characters of a text."""

    body: int
    """Bytes of a request's body."""


class AboutResponse(ApiResponse):
    """What this service offers."""

    bundle: BundleInfo
    threshold: float
    """A text is called fake from this probability on."""

    calibrated: bool
    """Whether the probabilities are calibrated on held-out articles."""

    neighbours: bool
    """Whether `/v1/neighbours` is available."""

    feedback: bool
    """Whether `/v1/feedback` and `/v1/drift` are available."""

    limits: Limits


class ErrorResponse(ApiResponse):
    """Why a request failed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"error": "texts[0]: found a blank text", "field": "texts[0]", "request_id": "3f2a"}
        }
    )

    error: str
    """One sentence: which field, what was found, what is expected."""

    field: str | None
    """The field, as in `texts[3]`."""

    request_id: str
    """The id of the request in the log."""
