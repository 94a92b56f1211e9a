"""The service over HTTP: all endpoints, and the web page where there is one."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import zhenwei
from zhenwei.errors import DataError
from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.http.middleware import Gate, refusal_body
from zhenwei.serving.http.static import PageFiles
from zhenwei.serving.routes.about import about_routes
from zhenwei.serving.routes.admin import feedback_routes, upkeep_routes
from zhenwei.serving.routes.predict import judging_routes
from zhenwei.serving.service import Service
from zhenwei.serving.settings import PAGE

logger = logging.getLogger(__name__)


def build_app(service: Service, page: Path = PAGE) -> FastAPI:
    """Build the ASGI application of a service that has been started.

    Args:
        service: The service; the application does not close it.
        page: The folder of the web page, served at `/` where it holds an index.html.
    """
    app = FastAPI(
        title="zhenwei",
        summary="Tells fake news from real in text, Chinese first.",
        version=zhenwei.__version__,
        docs_url=None,  # these pages would fetch scripts from elsewhere
        redoc_url=None,
        lifespan=lambda _: _background(service),
        redirect_slashes=False,
    )
    app.add_middleware(Gate, service=service)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(DataError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    for router in (about_routes(service), judging_routes(service), feedback_routes(service), upkeep_routes(service)):
        app.include_router(router)
    if (page / "index.html").is_file():
        app.router.default = PageFiles(page)  # after all endpoints: a mount at / would take their 405 for 404
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """Answer with one sentence, whatever kept a request from being served."""
    if isinstance(error, Refusal):
        refusal = error
    elif isinstance(error, RequestValidationError):
        found = error.errors()[0]
        field = str(found["loc"][-1])
        refusal = Refusal(422, f"{field}: found {str(found['input'])[:60]!r}; {found['msg']}", field)
    elif isinstance(error, HTTPException):
        refusal = Refusal(error.status_code, _sentence(request, error.status_code), headers=error.headers)
    else:  # the detector refused a text
        refusal = Refusal(422, str(error))
    request_id = request.scope["state"]["facts"]["request_id"]
    return Response(
        refusal_body(refusal, request_id), refusal.status, headers=refusal.headers, media_type="application/json"
    )


def _sentence(request: Request, status: int) -> str:
    if status == 404:
        return f"there is nothing at {request.url.path[:100]}; /openapi.json tells what there is"
    if status == 405:
        return f"{request.url.path[:100]} does not take {request.method[:20]}; /openapi.json tells what it takes"
    return "this request cannot be served"


@contextlib.asynccontextmanager
async def _background(service: Service) -> AsyncIterator[None]:
    """Keep counts, watch the bundle and heed SIGHUP while the application runs."""
    loop = asyncio.get_running_loop()
    tasks = {asyncio.create_task(service.keep_counts())}
    if service.settings.watch_seconds > 0:
        tasks.add(asyncio.create_task(service.watch()))

    def reload() -> None:
        tasks.add(asyncio.create_task(service.reload_quietly()))

    heeds = hasattr(signal, "SIGHUP")
    try:
        if heeds:
            loop.add_signal_handler(signal.SIGHUP, reload)
    except (RuntimeError, ValueError):  # not the main thread: whoever runs us there sends no signals
        heeds = False
    try:
        yield
    finally:
        if heeds:
            loop.remove_signal_handler(signal.SIGHUP)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
