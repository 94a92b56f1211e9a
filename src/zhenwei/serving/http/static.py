"""The web page's files, as they lie in the package."""

import mimetypes
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

# Browsers run no script of another type, and what this machine calls .js may be anything.
mimetypes.add_type("text/javascript", ".js")


class PageFiles(StaticFiles):
    """Serves the page; a browser asks each time whether a file is still the same, so that an update is seen at once.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that no endpoint takes: 404 where there is no file, whatever its method."""
        if scope["method"] not in ("GET", "HEAD"):
            found, _ = await to_thread.run_sync(self.lookup_path, self.get_path(scope))
            raise HTTPException(405 if found else 404)
        await super().__call__(scope, receive, send)

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Answer with a file, or that it has not changed."""
        response = super().file_response(*arguments, **options)
        response.headers["cache-control"] = "no-cache"
        return response
