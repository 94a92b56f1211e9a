"""The files of the web page."""

import mimetypes
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

# Browsers run scripts of this type alone, and the MIME types of this machine may call .js anything.
mimetypes.add_type("text/javascript", ".js")


class PageFiles(StaticFiles):
    """Serves the page. Browsers revalidate every file, so that an update is visible at once.

    Args:
        folder: The folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that matches no endpoint: 404 if there is no such file, whatever the method."""
        if scope["method"] not in ("GET", "HEAD"):
            path, _ = await to_thread.run_sync(self.lookup_path, self.get_path(scope))
            raise HTTPException(405 if path else 404)
        await super().__call__(scope, receive, send)

    def file_response(self, *args: Any, **options: Any) -> Response:
        """Return a file, or 304 if it has not changed."""
        response = super().file_response(*args, **options)
        response.headers["cache-control"] = "no-cache"
        return response
