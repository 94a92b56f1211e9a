"""What the OpenAPI document says of answers is what the service answers, to the last field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from zhenwei import Trainer
from zhenwei.inference.known_articles import add_known_articles
from zhenwei.serving.routes import about
from zhenwei.serving.schemas import responses as answers

from ..conftest import FAKE, client_of, serving

CALLS = [
    ("POST", "/v1/predict", {"texts": [FAKE], "ids": ["a"], "return_texts": True}, answers.PredictAnswer),
    ("POST", "/v1/predict", {"text": FAKE}, answers.PredictAnswer),
    ("POST", "/v1/explain", {"text": FAKE}, answers.ExplainAnswer),
    ("POST", "/v1/neighbours", {"text": FAKE, "k": 3}, answers.NeighboursAnswer),
    ("POST", "/v1/feedback", {"text": FAKE, "verdict": "fake"}, answers.FeedbackAnswer),
    ("POST", "/v1/reload", None, answers.ReloadAnswer),
    ("GET", "/v1/drift", None, answers.DriftAnswer),
    ("GET", "/v1/about", None, about.AboutAnswer),
    ("GET", "/healthz", None, answers.HealthAnswer),
    ("GET", "/readyz", None, answers.ReadyAnswer),
    ("GET", "/v1/nothing", None, answers.RefusalAnswer),
]


@pytest.fixture(scope="module")
def knowing(known_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    database = str(tmp_path_factory.mktemp("answers") / "feedback.sqlite")
    with serving(known_run, database) as service:
        yield client_of(service)


def checked(answer: Any, model: type) -> Any:
    """An answer's JSON, once it has passed its model with nothing converted, missing or too much."""
    TypeAdapter(model).validate_json(answer.content, strict=True)
    return answer.json()


@pytest.mark.parametrize(("method", "path", "body", "model"), CALLS)
def test_an_answer_has_the_fields_of_its_model(
    knowing: TestClient, method: str, path: str, body: Any, model: type
) -> None:
    checked(knowing.request(method, path, json=body), model)


def test_the_words_and_the_attention_join_to_the_text(knowing: TestClient) -> None:
    found = checked(knowing.post("/v1/explain", json={"text": FAKE}), answers.ExplainAnswer)
    assert found["prediction"]["text"] == FAKE
    for part in ("words", "attention"):
        assert "".join(each["word"] for each in found[part]) == FAKE
    assert sum(each["weight"] for each in found["attention"]) == pytest.approx(1)


def test_a_network_that_pools_without_attention_has_none(tmp_path: Path, tiny_settings: Any) -> None:
    model = {"name": "textcnn", "emb_dim": 16, "filters": 4, "mlp_dims": [8]}
    Trainer({**tiny_settings(tmp_path / "run"), "model": model}).train()
    with serving(tmp_path / "run") as service:
        found = checked(client_of(service).post("/v1/explain", json={"text": FAKE}), answers.ExplainAnswer)
    assert found["attention"] is None


def test_known_cases_may_lack_text_label_and_id(own_run: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.jsonl"
    known.write_text(json.dumps({"content": FAKE}), encoding="utf-8")
    add_known_articles(own_run, known, with_texts=False)
    with serving(own_run) as service:
        found = checked(client_of(service).post("/v1/neighbours", json={"text": FAKE}), answers.NeighboursAnswer)
    assert found["neighbours"] == [{"label": None, "similarity": pytest.approx(1, abs=1e-3), "text": None, "id": None}]


def test_the_examples_of_the_document_are_such_answers(knowing: TestClient) -> None:
    schemas = knowing.get("/openapi.json").json()["components"]["schemas"]
    shown = [name for name, schema in schemas.items() if "example" in schema]
    assert {"PredictAnswer", "ExplainAnswer", "NeighboursAnswer", "RefusalAnswer"} <= set(shown)
    for name in shown:
        TypeAdapter(getattr(answers, name)).validate_python(schemas[name]["example"], strict=True)
