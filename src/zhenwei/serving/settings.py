"""Settings of the service."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from zhenwei.config.section import Section, format_errors
from zhenwei.errors import ConfigError


class ServingSettings(Section):
    """Settings of the service. Each is an option of `zhenwei serve` with the same name."""

    host: str = "127.0.0.1"
    """Address to listen on; the default is reachable from this machine only."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0: any free port."""

    max_batch: Annotated[int, Field(ge=1, le=4096)] = 64
    """Maximum texts of a batch; 1: no micro-batching."""

    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] = 5.0
    """Milliseconds to wait for more requests under load; a single request does not wait."""

    max_queue: Annotated[int, Field(ge=1)] = 512
    """Maximum texts that wait; beyond it, requests get 503 at once."""

    timeout: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Seconds until a request fails: with 503 if it still waits, with 504 if its prediction is running."""

    max_body: Annotated[int, Field(ge=1024)] = 2 * 2**20
    """Maximum bytes of a request's body."""

    max_bodies: Annotated[int, Field(ge=1024)] = 64 * 2**20
    """Maximum bytes of all bodies that are being received; beyond it, 503."""

    max_texts: Annotated[int, Field(ge=1)] = 256
    """Maximum texts of a request."""

    max_characters: Annotated[int, Field(ge=1)] = 20_000
    """Maximum characters of a text."""

    max_connections: Annotated[int, Field(ge=1)] = 2048
    """Maximum open connections; beyond it, 503."""

    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """Seconds between SIGTERM and closing the port: /readyz answers 503, all other requests are served."""

    watch_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds between two checks whether the bundle was replaced, which reload it; 0: no checks."""

    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of PyTorch; 0: all cores but one, which serves HTTP."""

    always: bool = False
    """Give every text the verdict fake or real, also where there are reasons for unsure."""

    log_texts: bool = False
    """Write texts into the log. They may be private: off by default."""

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
            ConfigError: If a setting is unknown or out of range.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError("\n".join(format_errors(error, "serve", {"": list(cls.model_fields)}, {}))) from None


PAGE = Path(__file__).with_name("page")  # the files of the web page
