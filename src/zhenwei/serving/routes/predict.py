"""Endpoints that use the detector: predict, explain, neighbours."""

from collections.abc import Sequence
from dataclasses import asdict

from fastapi import APIRouter
from starlette.requests import Request

from zhenwei.serving.http.errors import ApiError
from zhenwei.serving.schemas.openapi import BODY_ERRORS, error_responses
from zhenwei.serving.schemas.requests import ExplainRequest, NeighboursRequest, PredictRequest
from zhenwei.serving.schemas.responses import ExplainResponse, NeighboursResponse, PredictResponse, TextPrediction
from zhenwei.serving.service import Service


def predict_routes(service: Service) -> APIRouter:
    """Return the endpoints that use the detector."""
    router = APIRouter(prefix="/v1", tags=["predict"])
    errors = error_responses(*BODY_ERRORS, 504)

    @router.post("/predict", summary="Predict texts", responses=errors, response_model_exclude_unset=True)
    async def predict(body: PredictRequest, request: Request) -> PredictResponse:
        texts = body.texts or [body.text]
        _accept(request, service, texts, is_list=bool(body.texts))
        loaded, predictions = await service.predict(texts, lambda: disconnected(request))
        results = []
        for number, prediction in enumerate(predictions):
            echo = {"id": body.ids[number]} if body.ids else {}
            if body.return_texts:
                echo["text"] = texts[number]
            fields = {name: getattr(prediction, name) for name in ("verdict", "probability", "threshold")}
            reasons = [reason.to_dict() for reason in prediction.reasons]
            results.append(TextPrediction(**echo, **fields, reasons=reasons, warnings=list(prediction.warnings)))
        return PredictResponse(predictions=results, bundle=loaded.info)

    @router.post(
        "/explain", summary="Explain a prediction word by word", responses=errors, response_model_exclude_unset=True
    )
    async def explain(body: ExplainRequest, request: Request) -> ExplainResponse:
        _accept(request, service, [body.text])
        loaded, explanation = await service.run(
            lambda detector: detector.explain(body.text).to_dict(), lambda: disconnected(request)
        )
        return ExplainResponse.model_validate({**explanation, "bundle": loaded.info})

    @router.post("/neighbours", summary="Search similar known cases", responses={**errors, **error_responses(404)})
    async def neighbours(body: NeighboursRequest, request: Request) -> NeighboursResponse:
        _accept(request, service, [body.text])
        if not service.loaded.detector.has_neighbours:
            raise ApiError(404, "this bundle has no known cases to search")
        loaded, cases = await service.run(
            lambda detector: detector.neighbours(body.text, body.k), lambda: disconnected(request)
        )
        return NeighboursResponse.model_validate({"neighbours": map(asdict, cases), "bundle": loaded.info})

    return router


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected; the request's body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def check_texts(service: Service, texts: Sequence[str], *, is_list: bool = False) -> None:
    """Check the number and the length of texts.

    Raises:
        ApiError: 422: more or longer than this service accepts.
    """
    settings = service.settings
    if len(texts) > settings.max_texts:
        raise ApiError(422, f"texts: found {len(texts)}; expected at most {settings.max_texts} per request", "texts")
    for number, text in enumerate(texts):
        if len(text) > settings.max_characters:
            field = f"texts[{number}]" if is_list else "text"
            message = f"{field}: found {len(text)} characters; expected at most {settings.max_characters}"
            raise ApiError(422, message, field)


def _accept(request: Request, service: Service, texts: list[str], *, is_list: bool = False) -> None:
    """Check texts, and add their number to the log; the texts themselves with `--log-texts` only."""
    check_texts(service, texts, is_list=is_list)
    request.state.log_fields["texts"] = len(texts)
    if service.settings.log_texts:
        request.state.log_fields["contents"] = texts
