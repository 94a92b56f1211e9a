"""The folder of caches: files that can be computed again."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return a cache folder: below ZHENWEI_CACHE, else in the user's cache. It need not exist.

    Raises:
        RuntimeError: The user has no home folder.
    """
    caches = os.environ.get("ZHENWEI_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/zhenwei"
    return Path(caches).expanduser() / name
