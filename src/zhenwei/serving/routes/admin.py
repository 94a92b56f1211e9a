"""Endpoints of operators: what the service offers, health, readiness, metrics, reload."""

from ipaddress import ip_address

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from zhenwei.serving.http.errors import ApiError
from zhenwei.serving.schemas.openapi import error_responses
from zhenwei.serving.schemas.responses import AboutResponse, HealthResponse, Limits, ReadyResponse, ReloadResponse
from zhenwei.serving.service import Service


def admin_routes(service: Service) -> APIRouter:
    """Return the endpoints of operators."""
    router = APIRouter(tags=["admin"])
    settings = service.settings

    @router.get("/v1/about", summary="Features and limits", responses=error_responses(401))
    async def about() -> AboutResponse:
        detector = service.loaded.detector
        return AboutResponse(
            bundle=service.loaded.info,
            threshold=detector.threshold,
            calibrated=detector.bundle.calibration is not None,
            neighbours=detector.has_neighbours,
            feedback=service.feedback is not None,
            limits=Limits(texts=settings.max_texts, characters=settings.max_characters, body=settings.max_body),
        )

    @router.get("/healthz", summary="Is the service alive?", responses={503: {"model": HealthResponse}})
    async def healthz(response: Response) -> HealthResponse:
        if service.batcher.alive:
            return HealthResponse(status="ok")
        response.status_code = 503
        return HealthResponse(status="the detector's thread has ended")

    @router.get("/readyz", summary="Does it accept requests?", responses={503: {"model": ReadyResponse}})
    async def readyz(response: Response) -> ReadyResponse:
        if service.draining or not service.batcher.alive:
            response.status_code = 503
            return ReadyResponse(status="draining" if service.draining else "not started", bundle=service.loaded.info)
        return ReadyResponse(status="ready", bundle=service.loaded.info)

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **error_responses(401)},
    )
    async def metrics() -> Response:
        return Response(service.metrics.render(), media_type=service.metrics.media_type)

    @router.post("/v1/reload", summary="Reload the bundle", responses=error_responses(401, 403, 409))
    async def reload(request: Request) -> ReloadResponse:
        if not service.keys and not _is_local(request):
            raise ApiError(403, "without API keys, only this machine may reload, as 127.0.0.1 or localhost")
        before = service.loaded.version
        loaded = await service.reload()
        return ReloadResponse(changed=loaded.version != before, bundle=loaded.info)

    return router


def _is_local(request: Request) -> bool:
    """Return whether a request comes from this machine and is addressed to it (DNS rebinding uses another name)."""
    try:
        local = request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    return local and request.url.hostname in ("127.0.0.1", "localhost", "::1")
