"""Valid and invalid requests that schemathesis generates from the OpenAPI document: no 5xx, responses as documented."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from zhenwei.serving.app import build_app
from zhenwei.serving.http.middleware import ENDPOINTS

from .conftest import serving

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

OPERATIONS = [
    *[("POST", f"/v1/{name}") for name in ("predict", "explain", "neighbours", "feedback", "reload")],
    *[("GET", path) for path in ("/v1/about", "/v1/drift", "/healthz", "/readyz", "/metrics")],
]

WITH_INPUT = {("POST", f"/v1/{name}") for name in ("predict", "explain", "neighbours", "feedback")} | {
    ("GET", "/v1/drift")
}
TRIALS = [(*operation, schemathesis.GenerationMode.POSITIVE) for operation in OPERATIONS]
TRIALS += [(*operation, schemathesis.GenerationMode.NEGATIVE) for operation in sorted(WITH_INPUT)]


@pytest.fixture(scope="module")
def schema(known_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    database = str(tmp_path_factory.mktemp("schema") / "feedback.sqlite")
    with serving(known_run, database, max_characters=2000, max_texts=16) as service:
        yield schemathesis.openapi.from_asgi("/openapi.json", build_app(service))


def test_every_endpoint_is_tested() -> None:
    assert {path for _, path in OPERATIONS} == ENDPOINTS - {"/openapi.json", "/docs"}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "mode"), TRIALS)
def test_no_generated_request_gets_a_5xx(schema: Any, method: str, path: str, mode: Any) -> None:
    operation = schema[path][method]

    @settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        # A schema cannot express "not blank", nor "as many ids as texts": such requests get 422.
        case.call_and_validate(excluded_checks=[schemathesis.checks.positive_data_acceptance])

    check()
