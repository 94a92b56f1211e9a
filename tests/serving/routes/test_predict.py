"""Responses of all endpoints, access, metrics, logs, the page, and reloads."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from zhenwei.hashing import file_sha256
from zhenwei.inference import Detector
from zhenwei.serving.http.middleware import CONTENT_POLICY
from zhenwei.serving.logs import JsonFormatter
from zhenwei.serving.service import Service

from ..conftest import FAKE, REAL, client_of, serving

KEY = "a-key-of-twenty-letters"


def body_schema(document: dict[str, Any], path: str) -> dict[str, Any]:
    """The JSON schema of the body of a POST."""
    reference: str = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


class TestPredict:
    def test_predictions_equal_the_detectors(self, client: TestClient, tiny_run: Path) -> None:
        predictions = client.post("/v1/predict", json={"texts": [FAKE, REAL]}).json()["predictions"]
        expected = Detector.load(tiny_run, "cpu").predict([FAKE, REAL])
        for served, prediction in zip(predictions, expected, strict=True):
            assert math.isclose(served["probability"], prediction.probability, abs_tol=1e-6)
            assert served["verdict"] == prediction.verdict
            assert served["threshold"] == prediction.threshold
            assert served["warnings"] == list(prediction.warnings)
        assert [served["verdict"] for served in predictions] == ["fake", "real"]

    def test_the_bundle_has_its_name_and_digest(self, client: TestClient, tiny_run: Path) -> None:
        bundle = client.post("/v1/predict", json={"text": FAKE}).json()["bundle"]
        assert bundle == {
            "name": "tiny",
            "version": file_sha256(tiny_run / "checkpoints" / "best" / "detector.json"),
        }

    def test_ids_and_texts_are_returned_on_request(self, client: TestClient) -> None:
        body = {"texts": [FAKE, REAL], "ids": ["a", "乙"], "return_texts": True}
        predictions = client.post("/v1/predict", json=body).json()["predictions"]
        assert [(each["id"], each["text"]) for each in predictions] == [("a", FAKE), ("乙", REAL)]
        plain = client.post("/v1/predict", json={"text": FAKE}).json()["predictions"][0]
        assert plain.keys() == {"verdict", "probability", "threshold", "reasons", "warnings"}

    def test_warnings(self, client: TestClient) -> None:
        prediction = client.post("/v1/predict", json={"text": "囧囍" * 40}).json()["predictions"][0]
        assert len(prediction["warnings"]) == 1

    def test_without_a_verdict_there_are_reasons(self, client: TestClient) -> None:
        prediction = client.post("/v1/predict", json={"text": "@小明"}).json()["predictions"][0]
        assert prediction["verdict"] == "unsure"
        reason = {"code": "only_mention", "en": "there is only a mention of an account", "zh": "只有@某个账号"}
        assert prediction["reasons"] == [reason]


class TestExplanations:
    def test_the_joined_words_are_the_text(self, client: TestClient) -> None:
        explanation = client.post("/v1/explain", json={"text": FAKE}).json()
        assert explanation["prediction"]["verdict"] == "fake"
        words = [word["word"] for word in explanation["words"]]
        assert "".join(words) == FAKE

    def test_a_bundle_without_known_cases(self, client: TestClient) -> None:
        response = client.post("/v1/neighbours", json={"text": FAKE, "k": 3})
        assert response.status_code == 404
        assert response.json()["error"] == "this bundle has no known cases to search"


class TestAdmin:
    def test_health_and_readiness(self, client: TestClient) -> None:
        assert client.get("/healthz").json() == {"status": "ok"}
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["bundle"]["name"]) == ("ready", "tiny")

    def test_while_draining_it_is_alive_and_serves_but_is_not_ready(self, tiny_run: Path) -> None:
        with serving(tiny_run) as service, client_of(service) as client:
            service.draining = True
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
            response = client.post("/v1/predict", json={"text": FAKE})
            assert (response.status_code, response.headers["connection"]) == (200, "close")

    def test_metrics(self, tiny_run: Path) -> None:
        with serving(tiny_run) as service, client_of(service) as client:
            client.post("/v1/predict", json={"texts": [FAKE, REAL, FAKE]})
            client.post("/v1/predict", json={})
            client.get("/no-such-path")
            lines = client.get("/metrics").text.splitlines()
        for line in (
            'zhenwei_requests_total{endpoint="/v1/predict",status="200"} 1.0',
            'zhenwei_requests_total{endpoint="/v1/predict",status="422"} 1.0',
            'zhenwei_requests_total{endpoint="page",status="404"} 1.0',
            'zhenwei_predictions_total{verdict="fake"} 2.0',
            'zhenwei_predictions_total{verdict="real"} 1.0',
            "zhenwei_batch_texts_sum 3.0",
            "zhenwei_queue_texts 0.0",
            'zhenwei_request_seconds_count{endpoint="/v1/predict"} 2.0',
        ):
            assert line in lines

    def test_the_openapi_document_has_all_endpoints_with_examples_and_limits(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        assert {"/v1/predict", "/v1/explain", "/v1/neighbours", "/v1/feedback", "/v1/drift"} <= document["paths"].keys()
        schema = body_schema(document, "/v1/predict")
        assert schema["examples"]
        assert (schema["properties"]["texts"]["maxItems"], schema["properties"]["text"]["maxLength"]) == (4, 200)

    def test_every_example_of_the_openapi_document_is_valid(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        for path, methods in document["paths"].items():
            if "requestBody" not in methods.get("post", {}):
                continue
            for example in body_schema(document, path)["examples"]:
                assert client.post(path, json=example).status_code in (200, 201, 404), (path, example)

    def test_docs_are_the_only_page_that_loads_scripts_from_elsewhere(self, client: TestClient) -> None:
        response = client.get("/docs")
        assert "swagger-ui" in response.text
        assert "https://cdn.jsdelivr.net" in response.headers["content-security-policy"]
        for path in ("/", "/openapi.json", "/docs/other"):
            assert "https:" not in client.get(path).headers["content-security-policy"]


class TestKeys:
    @pytest.fixture
    def closed(self, tiny_run: Path):
        with serving(tiny_run, keys=(KEY, "another-key-of-letters")) as service:
            yield client_of(service)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": "Bearer "},
            {"authorization": f"Bearer {KEY}x"},
            {"authorization": f"Basic {KEY}"},
            {"x-api-key": KEY[:-1]},
            {"x-api-key": b"\xff\xfe"},
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/predict", "/v1/reload", "/v1/drift", "/metrics", "/v1/nothing"])
    def test_without_a_key_every_path_gets_401(self, closed: TestClient, headers: dict[str, str], path: str) -> None:
        response = closed.post(path, headers=headers)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert KEY not in response.text

    @pytest.mark.parametrize("headers", [{"authorization": f"bearer {KEY}"}, {"x-api-key": "another-key-of-letters"}])
    def test_any_of_the_keys_is_accepted(self, closed: TestClient, headers: dict[str, str]) -> None:
        assert closed.post("/v1/predict", json={"text": FAKE}, headers=headers).status_code == 200

    def test_probes_and_the_documentation_need_no_key(self, closed: TestClient) -> None:
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
            assert closed.get(path).status_code == 200

    def test_pages_of_other_sites_cannot_post(self, client: TestClient) -> None:
        for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
            response = client.post("/v1/reload", headers={"origin": origin})
            assert response.status_code == 403
        same = client.post("/v1/predict", json={"text": FAKE}, headers={"origin": "http://127.0.0.1"})
        assert same.status_code == 200

    def test_without_keys_only_this_machine_can_reload(self, service: Service) -> None:
        for options in ({"client": ("10.0.0.9", 1)}, {"base_url": "http://rebound.example"}):
            remote: dict[str, Any] = {"client": ("127.0.0.1", 1), "base_url": "http://127.0.0.1", **options}
            assert TestClient(client_of(service).app, **remote).post("/v1/reload").status_code == 403


class TestLog:
    def lines(self, caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
        formatter = JsonFormatter()
        lines = [json.loads(formatter.format(record)) for record in caplog.records]
        return [line for line in lines if line["message"] == "request"]

    def test_a_request_is_logged_without_its_texts(self, client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "zhenwei"):
            client.post("/v1/predict", json={"texts": [FAKE, REAL]}, headers={"x-request-id": "my-id.7"})
        (line,) = self.lines(caplog)
        assert line.items() >= {
            "request_id": "my-id.7", "path": "/v1/predict", "status": 200, "texts": 2, "level": "info"
        }.items()  # fmt: skip
        assert "云溪" not in caplog.text + json.dumps(line, ensure_ascii=False)

    def test_texts_are_logged_on_request(self, tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
        with serving(tiny_run, log_texts=True) as service, caplog.at_level(logging.INFO, "zhenwei"):
            client_of(service).post("/v1/predict", json={"text": FAKE})
        assert self.lines(caplog)[0]["contents"] == [FAKE]


class TestPage:
    def test_the_page_is_served_with_a_strict_policy(self, service: Service, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("<!doctype html><title>真伪</title>", encoding="utf-8")
        (tmp_path / "page.js").write_text("'use strict';", encoding="utf-8")
        client = client_of(service, page=tmp_path)
        response = client.get("/")
        assert "真伪" in response.text
        assert response.headers["content-security-policy"] == CONTENT_POLICY
        assert "unsafe" not in CONTENT_POLICY
        assert client.get("/page.js").status_code == 200
        assert client.get("/v1/drift").status_code == 200  # the endpoints come first
        assert client.get("/..%2fsecret").json()["error"].startswith("not found: ")

    def test_without_an_index_there_is_no_page(self, service: Service, tmp_path: Path) -> None:
        assert client_of(service, page=tmp_path).get("/").status_code == 404


class TestReload:
    def test_a_new_bundle_is_served_after_a_reload(self, own_bundle: Path) -> None:
        with serving(own_bundle) as service:
            client = client_of(service)
            before = client.post("/v1/predict", json={"text": FAKE}).json()
            raise_threshold(own_bundle)
            assert client.post("/v1/predict", json={"text": FAKE}).json() == before
            reloaded = client.post("/v1/reload").json()
            after = client.post("/v1/predict", json={"text": FAKE}).json()
            assert reloaded == {"changed": True, "bundle": after["bundle"]}
            assert after["bundle"]["version"] != before["bundle"]["version"]
            assert after["predictions"][0]["threshold"] == 1.0
            assert client.post("/v1/reload").json()["changed"] is False

    def test_a_bad_bundle_is_rejected_and_the_old_one_stays(self, own_bundle: Path) -> None:
        with serving(own_bundle) as service:
            client = client_of(service)
            before = client.post("/v1/predict", json={"text": FAKE}).json()
            (own_bundle / "model.safetensors").write_bytes(b"rubbish")
            response = client.post("/v1/reload")
            assert response.status_code == 409
            assert "sha256 differs" in response.json()["error"]
            assert f"version {service.loaded.version[:12]} is still served" in response.json()["error"]
            assert client.post("/v1/predict", json={"text": FAKE}).json() == before
            assert client.get("/readyz").status_code == 200


def raise_threshold(bundle: Path, threshold: float = 1.0) -> None:
    """Replace a bundle by one with another threshold."""
    path = bundle / "detector.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({**description, "threshold": threshold}), encoding="utf-8")
    beside.replace(path)
