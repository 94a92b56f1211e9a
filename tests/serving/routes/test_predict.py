"""What the service answers, to whom, and what it tells of itself."""

import json
import logging
import math
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from zhenwei.hashing import file_sha256
from zhenwei.inference import Detector
from zhenwei.serving.http.middleware import CONTENT_POLICY
from zhenwei.serving.logs import JsonFormatter
from zhenwei.serving.service import Service

from ..conftest import FAKE, REAL, client_of, serving

KEY = "a-key-of-twenty-letters"


class TestPredict:
    def test_the_verdicts_are_the_detectors(self, client: TestClient, tiny_run: Path) -> None:
        found = client.post("/v1/predict", json={"texts": [FAKE, REAL]}).json()
        expected = Detector.load(tiny_run, "cpu").predict([FAKE, REAL])
        for told, prediction in zip(found["predictions"], expected, strict=True):
            assert math.isclose(told["probability"], prediction.probability, abs_tol=1e-6)
            assert told["verdict"] == prediction.verdict
            assert told["threshold"] == prediction.threshold
            assert told["warnings"] == list(prediction.warnings)
        assert [told["verdict"] for told in found["predictions"]] == ["fake", "real"]

    def test_the_bundle_is_named_with_its_digest(self, client: TestClient, tiny_run: Path) -> None:
        bundle = client.post("/v1/predict", json={"text": FAKE}).json()["bundle"]
        assert bundle == {
            "name": "tiny",
            "version": file_sha256(tiny_run / "checkpoints" / "best" / "detector.json"),
        }

    def test_ids_and_texts_come_back_where_asked_for(self, client: TestClient) -> None:
        body = {"texts": [FAKE, REAL], "ids": ["a", "乙"], "return_texts": True}
        found = client.post("/v1/predict", json=body).json()["predictions"]
        assert [(told["id"], told["text"]) for told in found] == [("a", FAKE), ("乙", REAL)]
        plain = client.post("/v1/predict", json={"text": FAKE}).json()["predictions"][0]
        assert plain.keys() == {"verdict", "probability", "threshold", "warnings"}

    def test_warnings_are_told(self, client: TestClient) -> None:
        found = client.post("/v1/predict", json={"text": "囧囍" * 40}).json()["predictions"][0]
        assert len(found["warnings"]) == 2


class TestExplanations:
    def test_the_words_join_to_the_text(self, client: TestClient) -> None:
        found = client.post("/v1/explain", json={"text": FAKE}).json()
        assert found["prediction"]["verdict"] == "fake"
        words = [word["word"] for word in found["words"]]
        assert "".join(words) == FAKE

    def test_a_bundle_without_known_cases(self, client: TestClient) -> None:
        answer = client.post("/v1/neighbours", json={"text": FAKE, "k": 3})
        assert answer.status_code == 404
        assert answer.json()["error"] == "this bundle holds no known cases to compare with"


class TestUpkeep:
    def test_health_and_readiness(self, client: TestClient) -> None:
        assert client.get("/healthz").json() == {"status": "ok"}
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["bundle"]["name"]) == ("ready", "tiny")

    def test_while_draining_it_is_alive_but_not_ready_and_answers_still(self, tiny_run: Path) -> None:
        with serving(tiny_run) as service, client_of(service) as client:
            service.draining = True
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
            answer = client.post("/v1/predict", json={"text": FAKE})
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")

    def test_figures(self, tiny_run: Path) -> None:
        with serving(tiny_run) as service, client_of(service) as client:
            client.post("/v1/predict", json={"texts": [FAKE, REAL, FAKE]})
            client.post("/v1/predict", json={})
            client.get("/a-made-up-place")
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

    def test_the_document_names_all_endpoints_with_examples(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        assert {"/v1/predict", "/v1/explain", "/v1/neighbours", "/v1/feedback", "/v1/drift"} <= document["paths"].keys()
        schema = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["examples"]
        assert (schema["properties"]["texts"]["maxItems"], schema["properties"]["text"]["maxLength"]) == (4, 200)

    def test_every_example_of_the_document_is_taken(self, client: TestClient) -> None:
        paths = client.get("/openapi.json").json()["paths"]
        for path, methods in paths.items():
            if "requestBody" not in methods.get("post", {}):
                continue
            for example in methods["post"]["requestBody"]["content"]["application/json"]["schema"]["examples"]:
                assert client.post(path, json=example).status_code in (200, 201, 404), (path, example)


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
    def test_without_a_key_nothing_is_told(self, closed: TestClient, headers: dict[str, str], path: str) -> None:
        answer = closed.post(path, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert KEY not in answer.text

    @pytest.mark.parametrize("headers", [{"authorization": f"bearer {KEY}"}, {"x-api-key": "another-key-of-letters"}])
    def test_any_of_the_keys_opens(self, closed: TestClient, headers: dict[str, str]) -> None:
        assert closed.post("/v1/predict", json={"text": FAKE}, headers=headers).status_code == 200

    def test_probes_and_the_document_are_open(self, closed: TestClient) -> None:
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert closed.get(path).status_code == 200

    def test_other_sites_may_not_use_a_visitors_browser(self, client: TestClient) -> None:
        for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
            answer = client.post("/v1/reload", headers={"origin": origin})
            assert answer.status_code == 403
        same = client.post("/v1/predict", json={"text": FAKE}, headers={"origin": "http://127.0.0.1"})
        assert same.status_code == 200

    def test_without_keys_only_this_machine_may_reload(self, service: Service) -> None:
        for options in ({"client": ("10.0.0.9", 1)}, {"base_url": "http://rebound.example"}):
            given = {"client": ("127.0.0.1", 1), "base_url": "http://127.0.0.1", **options}
            elsewhere = TestClient(client_of(service).app, **given)
            assert elsewhere.post("/v1/reload").status_code == 403


class TestLog:
    def lines(self, caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
        formatter = JsonFormatter()
        found = [json.loads(formatter.format(record)) for record in caplog.records]
        return [line for line in found if line["message"] == "request"]

    def test_a_request_is_told_without_its_texts(self, client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "zhenwei"):
            client.post("/v1/predict", json={"texts": [FAKE, REAL]}, headers={"x-request-id": "my-id.7"})
        (line,) = self.lines(caplog)
        assert line.items() >= {
            "request_id": "my-id.7", "path": "/v1/predict", "status": 200, "texts": 2, "level": "info"
        }.items()  # fmt: skip
        assert "云溪" not in caplog.text + json.dumps(line, ensure_ascii=False)

    def test_texts_are_logged_where_asked_for(self, tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
        with serving(tiny_run, log_texts=True) as service, caplog.at_level(logging.INFO, "zhenwei"):
            client_of(service).post("/v1/predict", json={"text": FAKE})
        assert self.lines(caplog)[0]["contents"] == [FAKE]


class TestPage:
    def test_the_page_is_served_with_a_strict_policy(self, service: Service, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("<!doctype html><title>真伪</title>", encoding="utf-8")
        (tmp_path / "page.js").write_text("'use strict';", encoding="utf-8")
        client = client_of(service, page=tmp_path)
        answer = client.get("/")
        assert "真伪" in answer.text
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert "unsafe" not in CONTENT_POLICY
        assert client.get("/page.js").status_code == 200
        assert client.get("/v1/drift").status_code == 200  # the endpoints come first
        assert client.get("/..%2fsecret").json()["error"].startswith("there is nothing at")

    def test_no_page_no_mount(self, service: Service, tmp_path: Path) -> None:
        assert client_of(service, page=tmp_path).get("/").status_code == 404


class TestReload:
    def test_a_new_bundle_takes_over(self, own_bundle: Path) -> None:
        with serving(own_bundle) as service:
            client = client_of(service)
            before = client.post("/v1/predict", json={"text": FAKE}).json()
            raise_threshold(own_bundle)
            assert client.post("/v1/predict", json={"text": FAKE}).json() == before
            told = client.post("/v1/reload").json()
            after = client.post("/v1/predict", json={"text": FAKE}).json()
            assert told == {"changed": True, "bundle": after["bundle"]}
            assert after["bundle"]["version"] != before["bundle"]["version"]
            assert after["predictions"][0]["threshold"] == 1.0
            assert client.post("/v1/reload").json()["changed"] is False

    def test_a_bad_bundle_is_refused_and_the_old_one_stays(self, own_bundle: Path) -> None:
        with serving(own_bundle) as service:
            client = client_of(service)
            before = client.post("/v1/predict", json={"text": FAKE}).json()
            (own_bundle / "model.safetensors").write_bytes(b"rubbish")
            answer = client.post("/v1/reload")
            assert answer.status_code == 409
            assert "sha256 differs" in answer.json()["error"]
            assert f"version {service.served.version[:12]} is still served" in answer.json()["error"]
            assert client.post("/v1/predict", json={"text": FAKE}).json() == before
            assert client.get("/readyz").status_code == 200


def raise_threshold(bundle: Path, threshold: float = 1.0) -> None:
    """Make another bundle of a bundle."""
    path = bundle / "detector.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({**description, "threshold": threshold}), encoding="utf-8")
    beside.replace(path)
