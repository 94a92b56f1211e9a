"""Responses have exactly the fields of their models and of the OpenAPI document."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from zhenwei import Trainer
from zhenwei.inference.known_articles import add_known_articles
from zhenwei.serving.schemas import responses

from ..conftest import FAKE, client_of, serving

CALLS = [
    ("POST", "/v1/predict", {"texts": [FAKE], "ids": ["a"], "return_texts": True}, responses.PredictResponse),
    ("POST", "/v1/predict", {"text": FAKE}, responses.PredictResponse),
    ("POST", "/v1/explain", {"text": FAKE}, responses.ExplainResponse),
    ("POST", "/v1/neighbours", {"text": FAKE, "k": 3}, responses.NeighboursResponse),
    ("POST", "/v1/feedback", {"text": FAKE, "verdict": "fake"}, responses.FeedbackResponse),
    ("POST", "/v1/reload", None, responses.ReloadResponse),
    ("GET", "/v1/drift", None, responses.DriftResponse),
    ("GET", "/v1/about", None, responses.AboutResponse),
    ("GET", "/healthz", None, responses.HealthResponse),
    ("GET", "/readyz", None, responses.ReadyResponse),
    ("GET", "/v1/nothing", None, responses.ErrorResponse),
]


@pytest.fixture(scope="module")
def known_client(known_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    database = str(tmp_path_factory.mktemp("responses") / "feedback.sqlite")
    with serving(known_run, database) as service:
        yield client_of(service)


def validated(response: Any, model: type) -> Any:
    """The JSON of a response, validated strictly by its model."""
    TypeAdapter(model).validate_json(response.content, strict=True)
    return response.json()


@pytest.mark.parametrize(("method", "path", "body", "model"), CALLS)
def test_a_response_has_the_fields_of_its_model(
    known_client: TestClient, method: str, path: str, body: Any, model: type
) -> None:
    validated(known_client.request(method, path, json=body), model)


def test_the_joined_words_of_attributions_and_attention_are_the_text(known_client: TestClient) -> None:
    body = validated(known_client.post("/v1/explain", json={"text": FAKE}), responses.ExplainResponse)
    assert body["prediction"]["text"] == FAKE
    for part in ("words", "attention"):
        assert "".join(each["word"] for each in body[part]) == FAKE
    assert sum(each["weight"] for each in body["attention"]) == pytest.approx(1)


def test_a_network_without_attention_has_no_weights(tmp_path: Path, tiny_settings: Any) -> None:
    model = {"name": "textcnn", "emb_dim": 16, "filters": 4, "mlp_dims": [8]}
    Trainer({**tiny_settings(tmp_path / "run"), "model": model}).train()
    with serving(tmp_path / "run") as service:
        body = validated(client_of(service).post("/v1/explain", json={"text": FAKE}), responses.ExplainResponse)
    assert body["attention"] is None


def test_known_cases_without_text_label_and_id(own_run: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.jsonl"
    known.write_text(json.dumps({"content": FAKE}), encoding="utf-8")
    add_known_articles(own_run, known, with_texts=False)
    with serving(own_run) as service:
        body = validated(client_of(service).post("/v1/neighbours", json={"text": FAKE}), responses.NeighboursResponse)
    assert body["neighbours"] == [{"label": None, "similarity": pytest.approx(1, abs=1e-3), "text": None, "id": None}]


def test_the_examples_of_the_openapi_document_are_valid(known_client: TestClient) -> None:
    schemas = known_client.get("/openapi.json").json()["components"]["schemas"]
    names = [name for name, schema in schemas.items() if "example" in schema]
    assert {"PredictResponse", "ExplainResponse", "NeighboursResponse", "ErrorResponse"} <= set(names)
    for name in names:
        TypeAdapter(getattr(responses, name)).validate_python(schemas[name]["example"], strict=True)
