"""API keys: who may use the service, where it is not open to all."""

import os
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from zhenwei.errors import ConfigError

KEYS_VARIABLE = "ZHENWEI_API_KEYS"
MIN_LENGTH = 16  # characters; shorter ones can be guessed


class ApiKeys:
    """The keys that are let in; without any, everybody is.

    Only digests are kept, and every one of them is compared, in constant time: how long the answer takes says nothing
    about how much of a key was right.
    """

    def __init__(self, keys: list[str]) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admit(self, key: str) -> bool:
        """Return whether a key is one of these."""
        digest = sha256(key.encode("utf-8", "surrogateescape")).digest()
        return sum(compare_digest(digest, known) for known in self._digests) > 0


def load_keys(path: Path | None) -> ApiKeys:
    """Read the keys of a file, one a line, and of the environment variable ZHENWEI_API_KEYS, separated by commas.

    Args:
        path: The file; blank lines and lines that begin with # are skipped.

    Raises:
        ConfigError: If the file cannot be read or holds no key, or a key is too short or is no printable ASCII.
    """
    found: list[tuple[str, str]] = []
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--api-key-file: {path} cannot be read: {error}") from None
        found = [
            (line.strip(), f"{path}, line {number}")
            for number, line in enumerate(lines, start=1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
        if not found:
            raise ConfigError(f"--api-key-file: {path} holds no key; expected one a line")
    names = os.environ.get(KEYS_VARIABLE, "").split(",")
    found += [(name.strip(), KEYS_VARIABLE) for name in names if name.strip()]
    for key, where in found:
        if len(key) < MIN_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(
                f"{where}: found a key of {len(key)} characters; expected at least {MIN_LENGTH} letters, digits or "
                "signs, as `openssl rand -hex 24` makes them"
            )
    return ApiKeys([key for key, _ in found])
