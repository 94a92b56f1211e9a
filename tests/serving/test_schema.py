"""Requests that schemathesis makes of the OpenAPI document: no 5xx, and every answer is as the document says."""

import pytest
from hypothesis import HealthCheck, settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

from pathlib import Path  # noqa: E402

from zhenwei.serving.app import build_app  # noqa: E402

from .conftest import serving  # noqa: E402


@pytest.fixture(scope="module")
def schema(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory):
    database = str(tmp_path_factory.mktemp("schema") / "feedback.sqlite")
    with serving(tiny_run, database, max_characters=2000, max_texts=16) as service:
        yield schemathesis.openapi.from_asgi("/openapi.json", build_app(service))


loaded = schemathesis.pytest.from_fixture("schema")


@pytest.mark.slow
@loaded.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_of_the_document_gets_a_5xx(case) -> None:
    case.call_and_validate()
