"""What a client must know of a service before it asks: what it can do, and how much it takes at once."""

from fastapi import APIRouter
from starlette.responses import Response

from zhenwei.serving.routes.predict import answer
from zhenwei.serving.schemas.openapi import refusals_of
from zhenwei.serving.schemas.responses import Answer, BundleAnswer
from zhenwei.serving.service import Service


class LimitsAnswer(Answer):
    """How much is taken; beyond it, 413 or 422."""

    texts: int
    """Texts of a request."""

    characters: int
    """Characters of a text."""

    body: int
    """Bytes of a request's body."""


class AboutAnswer(Answer):
    """What this service can do."""

    bundle: BundleAnswer
    threshold: float
    """A text is called fake from this probability on."""

    calibrated: bool
    """Whether the probabilities were fitted to outcomes on held-out articles."""

    neighbours: bool
    """Whether `/v1/neighbours` answers."""

    feedback: bool
    """Whether `/v1/feedback` and `/v1/drift` answer."""

    limits: LimitsAnswer


def about_routes(service: Service) -> APIRouter:
    """Return the endpoint that tells what the service can do."""
    router = APIRouter(prefix="/v1", tags=["judge"])
    settings = service.settings

    @router.get(
        "/about",
        summary="What it can do, and its limits",
        response_model=None,
        responses={200: {"model": AboutAnswer}, **refusals_of(401)},
    )
    async def about() -> Response:
        served = service.served
        detector = served.detector
        return answer(
            {
                "bundle": served.to_dict(),
                "threshold": detector.threshold,
                "calibrated": detector.bundle.calibration is not None,
                "neighbours": detector.has_neighbours,
                "feedback": service.desk is not None,
                "limits": {
                    "texts": settings.max_texts, "characters": settings.max_characters, "body": settings.max_body,
                },
            }
        )  # fmt: skip

    return router
