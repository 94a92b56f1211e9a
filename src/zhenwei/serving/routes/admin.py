"""The endpoints of those who run the service: health, readiness, figures, reload; and feedback with its drift."""

from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from zhenwei.serving.feedback.desk import FeedbackDesk
from zhenwei.serving.feedback.store import Review
from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.routes.predict import answer
from zhenwei.serving.schemas.openapi import body_of, refusals_of
from zhenwei.serving.schemas.requests import FeedbackBody, body_schema
from zhenwei.serving.schemas.responses import (
    Answer,
    DriftAnswer,
    FeedbackAnswer,
    HealthAnswer,
    ReadyAnswer,
    ReloadAnswer,
)
from zhenwei.serving.service import Service

MAX_WEEKS = 520


def upkeep_routes(service: Service) -> APIRouter:
    """Return the endpoints that tell of the service and change what it serves."""
    router = APIRouter(tags=["upkeep"])

    def either(model: type[Answer]) -> dict[int | str, dict[str, Any]]:
        return {200: {"model": model}, 503: {"model": model, "description": "Not so."}}

    @router.get("/healthz", summary="Is it alive?", response_model=None, responses=either(HealthAnswer))
    async def healthz() -> Response:
        alive = service.batcher.alive
        return answer({"status": "ok" if alive else "the detector's thread has ended"}, 200 if alive else 503)

    @router.get("/readyz", summary="Should it get requests?", response_model=None, responses=either(ReadyAnswer))
    async def readyz() -> Response:
        status = "ready" if service.ready else "draining" if service.draining else "not started"
        return answer({"status": status, "bundle": service.served.to_dict()}, 200 if service.ready else 503)

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **refusals_of(401)},
    )
    async def metrics() -> Response:
        return Response(service.metrics.page(), media_type=service.metrics.media_type)

    @router.post(
        "/v1/reload",
        summary="Load the bundle anew",
        response_model=None,
        responses={200: {"model": ReloadAnswer}, **refusals_of(401, 403, 409)},
    )
    async def reload(request: Request) -> Response:
        if not service.keys and not _is_local(request):
            raise Refusal(403, "without API keys, only this machine may ask for a reload, as 127.0.0.1 or localhost")
        before = service.served.version
        served = await service.reload()
        return answer({"changed": served.version != before, "bundle": served.to_dict()})

    return router


def feedback_routes(service: Service) -> APIRouter:
    """Return the endpoints of reviewers."""
    router = APIRouter(prefix="/v1", tags=["feedback"])
    settings, reader = service.settings, service.reader

    @router.post(
        "/feedback", summary="Keep a reviewer's verdict", status_code=201, response_model=None,
        responses={201: {"model": FeedbackAnswer}, **refusals_of(400, 401, 403, 404, 413, 415, 422, 503)},
        openapi_extra=body_of(body_schema(FeedbackBody, settings.max_texts, settings.max_characters)),
    )  # fmt: skip
    async def feedback(request: Request) -> Response:
        desk = _desk(service)
        body = await reader.read(request, FeedbackBody)
        reader.check_texts([body.text], ("text",))
        served, predicted = service.served, body.predicted_verdict
        if predicted is None and body.predicted_probability is not None:
            predicted = "fake" if body.predicted_probability >= served.detector.threshold else "real"
        version = body.bundle_version or served.version
        review = Review(
            text=body.text, verdict=body.verdict, bundle_name=served.name, bundle_version=version,
            predicted_verdict=predicted, predicted_probability=body.predicted_probability,
            comment=body.comment or None, reviewer=body.reviewer or None,
        )  # fmt: skip
        return answer({"id": await desk.add(review), "bundle_version": version}, 201)

    @router.get(
        "/drift", summary="Predictions and reviews per week", response_model=None,
        responses={200: {"model": DriftAnswer}, **refusals_of(401, 404, 422, 503)},
    )  # fmt: skip
    async def drift(weeks: Annotated[int, Query(ge=1, le=MAX_WEEKS, description="How many at most.")] = 26) -> Response:
        return answer({"weeks": await _desk(service).drift(weeks)})

    return router


def _desk(service: Service) -> FeedbackDesk:
    if service.desk is None:
        raise Refusal(404, "this service keeps no feedback; start it with --feedback FILE")
    return service.desk


def _is_local(request: Request) -> bool:
    """Whether a request comes from this machine, and was not sent to another name, as a rebound one would be."""
    try:
        local = request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    return local and request.url.hostname in ("127.0.0.1", "localhost", "::1")
