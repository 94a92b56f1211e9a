"""The endpoints under /v1 that judge: predict, explain, neighbours."""

import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from zhenwei.inference import Detector
from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.schemas.openapi import body_of, refusals_of
from zhenwei.serving.schemas.requests import Body, ExplainBody, NeighboursBody, PredictBody, body_schema
from zhenwei.serving.schemas.responses import ExplainAnswer, NeighboursAnswer, PredictAnswer
from zhenwei.serving.service import Service


def judging_routes(service: Service) -> APIRouter:
    """Return the endpoints that need the detector."""
    router = APIRouter(prefix="/v1", tags=["judge"])
    settings, reader = service.settings, service.reader

    def document(body: type[Body], answer: type, *more: int) -> dict[str, Any]:
        return {
            "response_model": None,
            "responses": {200: {"model": answer}, **refusals_of(400, 401, 403, 413, 415, 422, 503, 504, *more)},
            "openapi_extra": body_of(body_schema(body, settings.max_texts, settings.max_characters)),
        }

    @router.post("/predict", summary="Judge texts", **document(PredictBody, PredictAnswer))
    async def predict(request: Request) -> Response:
        body = await reader.read(request, PredictBody)
        texts, many = body.all_texts(), bool(body.texts)
        if len(texts) > settings.max_texts:
            raise Refusal(422, f"texts: found {len(texts)}; expected at most {settings.max_texts} per request", "texts")
        reader.check_texts(texts, (f"texts[{number}]" for number in range(len(texts))) if many else ("text",))
        _note(request, service, texts)
        served, predictions = await service.predict(texts, lambda: gone(request))
        told: list[dict[str, Any]] = [
            {"verdict": found.verdict, "probability": found.probability, "threshold": found.threshold,
             "warnings": list(found.warnings)}
            for found in predictions
        ]  # fmt: skip
        if body.return_texts:
            told = [{"text": text, **fields} for text, fields in zip(texts, told, strict=True)]
        if body.ids:
            told = [{"id": name, **fields} for name, fields in zip(body.ids, told, strict=True)]
        return answer({"predictions": told, "bundle": served.to_dict()})

    @router.post("/explain", summary="Show which words swayed a verdict", **document(ExplainBody, ExplainAnswer))
    async def explain(request: Request) -> Response:
        body = await reader.read(request, ExplainBody)
        reader.check_texts([body.text], ("text",))
        _note(request, service, [body.text])
        served, explained = await service.ask(lambda detector: _explained(detector, body.text), lambda: gone(request))
        return answer({**explained, "bundle": served.to_dict()})

    @router.post(
        "/neighbours", summary="Find known cases like a text", **document(NeighboursBody, NeighboursAnswer, 404)
    )
    async def neighbours(request: Request) -> Response:
        body = await reader.read(request, NeighboursBody)
        reader.check_texts([body.text], ("text",))
        _note(request, service, [body.text])
        if not service.served.detector.has_neighbours:
            raise Refusal(404, "this bundle holds no known cases to compare with")
        served, found = await service.ask(lambda detector: _neighbours(detector, body), lambda: gone(request))
        return answer({"neighbours": found, "bundle": served.to_dict()})

    return router


def answer(value: Any, status: int = 200) -> Response:
    """Return an answer as JSON."""
    content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    return Response(content, status, media_type="application/json")


async def gone(request: Request) -> None:
    """End when a client has gone; it has sent its whole request."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _note(request: Request, service: Service, texts: list[str]) -> None:
    """Note for the log how many texts a request brought, and, where that was asked for, which."""
    facts = request.scope["state"]["facts"]
    facts["texts"] = len(texts)
    if service.settings.log_texts:
        facts["contents"] = texts


def _explained(detector: Detector, text: str) -> dict[str, Any]:
    return detector.explain(text).to_dict()


def _neighbours(detector: Detector, body: NeighboursBody) -> list[dict[str, Any]]:
    return [asdict(neighbour) for neighbour in detector.neighbours(body.text, body.k)]
