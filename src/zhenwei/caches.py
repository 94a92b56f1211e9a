"""Where what can always be made again is kept."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return a folder of the caches: below ZHENWEI_CACHE, else in the user's cache. It need not exist.

    Raises:
        RuntimeError: If that would be the user's home, and there is none.
    """
    caches = os.environ.get("ZHENWEI_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/zhenwei"
    return Path(caches).expanduser() / name
