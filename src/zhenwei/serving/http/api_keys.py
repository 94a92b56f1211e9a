"""API keys of the service."""

import os
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from zhenwei.errors import ConfigError

KEYS_VARIABLE = "ZHENWEI_API_KEYS"
MIN_LENGTH = 16  # characters; shorter keys can be guessed


class ApiKeys:
    """The accepted keys; without any, the service is open to everybody.

    Only digests are stored, and each of them is compared in constant time: the response time does not depend on how
    much of a key is right.
    """

    def __init__(self, keys: list[str]) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepts(self, key: str) -> bool:
        """Return whether a key is one of these."""
        digest = sha256(key.encode("utf-8", "surrogateescape")).digest()
        return sum(compare_digest(digest, known) for known in self._digests) > 0


def load_keys(path: Path | None) -> ApiKeys:
    """Read the keys of a file, one per line, and of the environment variable ZHENWEI_API_KEYS, separated by commas.

    Args:
        path: The file; blank lines and lines that begin with # are skipped.

    Raises:
        ConfigError: If the file cannot be read or has no key, or a key is too short or not printable ASCII.
    """
    keys: list[tuple[str, str]] = []
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--api-key-file: {path} cannot be read: {error}") from None
        keys = [
            (line.strip(), f"{path}, line {number}")
            for number, line in enumerate(lines, start=1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
        if not keys:
            raise ConfigError(f"--api-key-file: {path} has no key; expected one per line")
    keys += [(key.strip(), KEYS_VARIABLE) for key in os.environ.get(KEYS_VARIABLE, "").split(",") if key.strip()]
    for key, origin in keys:
        if len(key) < MIN_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(
                f"{origin}: found a key of {len(key)} characters; expected at least {MIN_LENGTH} letters, digits or "
                "symbols, as `openssl rand -hex 24` makes them"
            )
    return ApiKeys([key for key, _ in keys])
