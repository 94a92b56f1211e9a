"""The FastAPI application: all endpoints, and the web page."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from fastapi import FastAPI

import zhenwei
from zhenwei.serving.http.body import BodyLimitMiddleware
from zhenwei.serving.http.handlers import add_exception_handlers
from zhenwei.serving.http.middleware import RequestMiddleware
from zhenwei.serving.http.static import PageFiles
from zhenwei.serving.routes.admin import admin_routes
from zhenwei.serving.routes.feedback import feedback_routes
from zhenwei.serving.routes.predict import predict_routes
from zhenwei.serving.schemas.openapi import openapi_with_limits
from zhenwei.serving.service import Service
from zhenwei.serving.settings import PAGE

logger = logging.getLogger(__name__)


def build_app(service: Service, page: Path = PAGE) -> FastAPI:
    """Build the ASGI application of a started service.

    Args:
        service: The service; the application does not close it.
        page: The folder of the web page, which is served at `/` if it contains an index.html.
    """
    app = FastAPI(
        title="zhenwei",
        summary="Detects fake news in text, Chinese first.",
        version=zhenwei.__version__,
        redoc_url=None,
        lifespan=lambda _: _lifespan(service),
        redirect_slashes=False,
    )
    app.add_middleware(BodyLimitMiddleware, settings=service.settings)
    app.add_middleware(
        RequestMiddleware, keys=service.keys, metrics=service.metrics, is_draining=lambda: service.draining
    )  # the outermost: keys are checked before the body is read
    add_exception_handlers(app)
    for router in (predict_routes(service), feedback_routes(service), admin_routes(service)):
        app.include_router(router)
    app.openapi = partial(openapi_with_limits, app, service.settings)  # type: ignore[method-assign]
    if (page / "index.html").is_file():
        app.router.default = PageFiles(page)  # a mount at / would answer 404 where an endpoint answers 405
    return app


@contextlib.asynccontextmanager
async def _lifespan(service: Service) -> AsyncIterator[None]:
    """Write counts, watch the bundle and handle SIGHUP while the application runs."""
    loop = asyncio.get_running_loop()
    tasks = {asyncio.create_task(service.flush_counts()), asyncio.create_task(service.watch())}
    with contextlib.suppress(AttributeError, RuntimeError, ValueError):  # Windows, or not the main thread
        loop.add_signal_handler(signal.SIGHUP, lambda: tasks.add(asyncio.create_task(service.try_reload())))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
