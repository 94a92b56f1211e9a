"""Settings of the service: where it listens, how much it takes on, and what it keeps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from zhenwei.config.section import Section, format_errors
from zhenwei.errors import ConfigError


class ServingSettings(Section):
    """How a detector is served. Every setting is an option of `zhenwei serve` of the same name."""

    host: str = "127.0.0.1"
    """Address to listen on; the default is reachable from this machine alone."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0: any free one."""

    max_batch: Annotated[int, Field(ge=1, le=4096)] = 64
    """Texts that are judged together at most; 1: no micro-batching."""

    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] = 5.0
    """Milliseconds that a text waits for company, and only while others are coming in; a lone one does not wait."""

    max_queue: Annotated[int, Field(ge=1)] = 512
    """Texts that may wait; a request that finds no room is answered with 503 at once."""

    timeout: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Seconds from a request's arrival until it is given up: 503 if it still waits, 504 if it is being judged."""

    max_body: Annotated[int, Field(ge=1024)] = 2 * 2**20
    """Bytes of a request's body."""

    max_bodies: Annotated[int, Field(ge=1024)] = 64 * 2**20
    """Bytes of all bodies that are being received; beyond it, 503."""

    max_texts: Annotated[int, Field(ge=1)] = 256
    """Texts of a request."""

    max_characters: Annotated[int, Field(ge=1)] = 20_000
    """Characters of a text."""

    max_connections: Annotated[int, Field(ge=1)] = 2048
    """Open connections; beyond it, 503."""

    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """Seconds between SIGTERM and closing the port: /readyz says 503, requests are answered still."""

    watch_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds between two looks at whether the bundle was replaced, which is then loaded; 0: do not look."""

    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of PyTorch; 0: all cores but one, which is left to HTTP."""

    log_texts: bool = False
    """Write the texts into the log. They may be private: off unless asked for."""

    @model_validator(mode="after")
    def _check_bodies(self) -> Self:
        if self.max_bodies < self.max_body:
            raise ValueError(
                f"max_bodies is {self.max_bodies}, less than the {self.max_body} bytes of one body (max_body)"
            )
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Check settings.

        Raises:
            ConfigError: If one is unknown or out of range; the message names it, what was found and what would be
                right.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError("\n".join(format_errors(error, "serve", {"": list(cls.model_fields)}, {}))) from None


PAGE = Path(__file__).with_name("page")  # the web page's files, shipped with the package
