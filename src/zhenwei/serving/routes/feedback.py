"""Endpoints of reviewers: feedback, and drift from week to week."""

from typing import Annotated

from fastapi import APIRouter, Query

from zhenwei.serving.feedback.recorder import FeedbackRecorder
from zhenwei.serving.feedback.store import Review
from zhenwei.serving.http.errors import ApiError
from zhenwei.serving.routes.predict import check_texts
from zhenwei.serving.schemas.openapi import BODY_ERRORS, error_responses
from zhenwei.serving.schemas.requests import FeedbackRequest
from zhenwei.serving.schemas.responses import DriftResponse, FeedbackResponse
from zhenwei.serving.service import Service

MAX_WEEKS = 520


def feedback_routes(service: Service) -> APIRouter:
    """Return the endpoints of reviewers."""
    router = APIRouter(prefix="/v1", tags=["feedback"])

    @router.post("/feedback", summary="Store a review", status_code=201, responses=error_responses(*BODY_ERRORS, 404))
    async def feedback(body: FeedbackRequest) -> FeedbackResponse:
        recorder = _recorder(service)
        check_texts(service, [body.text])
        loaded, predicted = service.loaded, body.predicted_verdict
        if predicted is None and body.predicted_probability is not None:
            predicted = "fake" if body.predicted_probability >= loaded.detector.threshold else "real"
        version = body.bundle_version or loaded.version
        review = Review(
            text=body.text, verdict=body.verdict, bundle_name=loaded.name, bundle_version=version,
            predicted_verdict=predicted, predicted_probability=body.predicted_probability,
            comment=body.comment or None, reviewer=body.reviewer or None,
        )  # fmt: skip
        return FeedbackResponse(id=await recorder.add(review), bundle_version=version)

    @router.get("/drift", summary="Predictions and reviews per week", responses=error_responses(401, 404, 422, 503))
    async def drift(
        weeks: Annotated[int, Query(ge=1, le=MAX_WEEKS, description="Maximum number of weeks.")] = 26,
    ) -> DriftResponse:
        return DriftResponse.model_validate({"weeks": await _recorder(service).drift(weeks)})

    return router


def _recorder(service: Service) -> FeedbackRecorder:
    if service.feedback is None:
        raise ApiError(404, "this service stores no feedback; start it with --feedback FILE")
    return service.feedback
