"""Whatever a request holds, the answer is 4xx with a sentence that names the field, never 500."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from zhenwei.serving.http.body import BodyReader
from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.schemas.requests import PredictBody
from zhenwei.serving.settings import ServingSettings

JSON = {"content-type": "application/json"}
TEXT = "听说云溪的自来水出大事了"


def post(client: TestClient, content: bytes, path: str = "/v1/predict", **headers: str) -> tuple[int, str, str | None]:
    answer = client.post(path, content=content, headers={**JSON, **headers})
    told = answer.json()
    assert answer.headers["x-request-id"] == told["request_id"]
    return answer.status_code, told["error"], told["field"]


BAD_BODIES: list[tuple[bytes, int, str, str | None]] = [
    (b"", 400, "body: not JSON: EOF while parsing a value at line 1 column 0", "body"),
    (b"{", 400, "body: not JSON: EOF while parsing an object at line 1 column 1", "body"),
    (b"\xff\xfe", 400, "body: not JSON: expected value at line 1 column 1", "body"),
    (b"[" * 4000, 400, "body: not JSON: recursion limit exceeded", "body"),
    (b'{"texts": ' + b"9" * 4000 + b"}", 422, "texts: found ", "texts"),
    (b'{"texts": [NaN]}', 422, "texts[0]: found nan; expected a text", "texts[0]"),
    (b'{"texts": ["' + b"a" * 5000 + b'"]}', 413, "body: found 5015 bytes; at most 4096 are taken", "body"),
    (b"[1]", 422, "body: found a list of 1; expected an object", "body"),
    (b"null", 422, "body: found null; expected an object", "body"),
    (b"{}", 422, 'expected {"texts": ["..."]} or {"text": "..."}, one of the two', None),
    (b'{"text": "a", "texts": ["a"]}', 422, 'expected {"texts": ["..."]} or {"text": "..."}, one of the two', None),
    (b'{"texts": []}', 422, "texts: found a list of 0; expected at least 1", "texts"),
    (b'{"texts": "a"}', 422, "texts: found a text of 1 characters; expected a list", "texts"),
    (b'{"texts": ["a", 5]}', 422, "texts[1]: found 5; expected a text", "texts[1]"),
    (b'{"texts": ["a", null]}', 422, "texts[1]: found null; expected a text", "texts[1]"),
    (b'{"texts": ["a", {"b": 1}]}', 422, "texts[1]: found an object; expected a text", "texts[1]"),
    (b'{"texts": ["a", "b", "c", "d", "e"]}', 422, "texts: found 5; expected at most 4 per request", "texts"),
    (b'{"text": ""}', 422, "text: found a text of 0 characters; expected at least 1", "text"),
    (b'{"text": " \\n\\u3000\\u200b"}', 422, "text: found a blank text; expected one that says something", "text"),
    (b'{"texts": ["a", "b\\u0000"]}', 422, "texts[1]: found the control character U+0000 at character 2", "texts[1]"),
    (b'{"text": "\\u001b[31m"}', 422, "text: found the control character U+001B at character 1", "text"),
    (b'{"texts": ["a", "\\ud800"]}', 422, "texts[1]: found half of a surrogate pair", "texts[1]"),
    (b'{"text": "\\udfffa"}', 422, "text: found half of a surrogate pair", "text"),
    (b'{"text": "\xed\xa0\x80"}', 422, "text: found half of a surrogate pair", "text"),
    (b'{"text": "' + b"a" * 201 + b'"}', 422, "text: found 201 characters; expected at most 200", "text"),
    (b'{"text": "a", "txt": 1}', 422, "txt: unknown field; did you mean 'text'?", "txt"),
    (b'{"text": "a", "ids": ["1"]}', 422, "ids: found 1 for 0 texts; expected one per text", "ids"),
    (b'{"texts": ["a"], "ids": []}', 422, "ids: found 0 for 1 texts; expected one per text", "ids"),
    (b'{"texts": ["a"], "ids": [7]}', 422, "ids[0]: found 7; expected a text", "ids[0]"),
    (b'{"texts": ["a"], "ids": ["\\n"]}', 422, "ids[0]: found a text of 1 characters; expected plain", "ids[0]"),
    (b'{"text": "a", "return_texts": 1}', 422, "return_texts: found 1; expected true or false", "return_texts"),
]


@pytest.mark.parametrize(("content", "status", "message", "field"), BAD_BODIES, ids=lambda value: str(value)[:30])
def test_a_body_that_cannot_be_used(
    client: TestClient, content: bytes, status: int, message: str, field: str | None
) -> None:
    found = post(client, content)
    assert (found[0], found[2]) == (status, field)
    assert found[1].startswith(message)


BAD_FIELDS = [
    ("/v1/explain", b"{}", "text: missing"),
    ("/v1/neighbours", b'{"text": "a", "k": 0}', "k: found 0; expected at least 1"),
    ("/v1/neighbours", b'{"text": "a", "k": 1e400}', "k: found inf; expected a whole number"),
    ("/v1/neighbours", b'{"text": "a", "k": 51}', "k: found 51; expected at most 50"),
    ("/v1/feedback", b'{"text": "a"}', "verdict: missing"),
    ("/v1/feedback", b'{"text": "a", "verdict": "maybe"}', "verdict: found a text of 5 characters; expected 'real' or"),
    (
        "/v1/feedback",
        b'{"text": "a", "verdict": "fake", "predicted_probability": 1.5}',
        "predicted_probability: found 1.5; expected at most 1",
    ),
    (
        "/v1/feedback",
        b'{"text": "a", "verdict": "fake", "predicted_probability": NaN}',
        "predicted_probability: found nan; expected a",
    ),
    (
        "/v1/feedback",
        b'{"text": "a", "verdict": "fake", "bundle_version": "1"}',
        "bundle_version: found a text of 1 characters; expected the 64 hex digits of a version",
    ),
    ("/v1/feedback", b'{"text": "a", "verdict": "fake", "comment": "\\u0000"}', "comment: found a text of 1"),
    ("/v1/feedback", b'{"text": "a\\u0000", "verdict": "fake"}', "text: found the control character U+0000"),
]


@pytest.mark.parametrize(("path", "content", "message"), BAD_FIELDS)
def test_a_field_of_another_endpoint(client: TestClient, path: str, content: bytes, message: str) -> None:
    status, told, field = post(client, content, path)
    assert status == 422
    assert told.startswith(message)
    assert field == message.partition(":")[0]


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp"])
def test_the_wrong_content_type(client: TestClient, kind: str) -> None:
    status, told, field = post(client, b'{"text": "a"}', **{"content-type": kind})
    assert (status, field) == (415, "content-type")
    assert told == f"content-type: found '{kind}'; expected application/json"


def test_another_charset(client: TestClient) -> None:
    status, told, _ = post(client, b'{"text": "a"}', **{"content-type": "application/json; charset=gbk"})
    assert (status, told) == (415, "content-type: found charset gbk; expected utf-8")


def test_a_body_that_does_not_say_how_long_it_is(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    answer = client.post("/v1/predict", content=chunks(), headers=JSON)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"  # the rest must not be taken for the next request


def test_a_refusal_that_leaves_a_body_unread_ends_the_connection(client: TestClient) -> None:
    for headers in ({"content-type": "text/plain"}, {**JSON, "origin": "https://elsewhere.example"}):
        answer = client.post("/v1/predict", content=b'{"text": "a"}', headers=headers)
        assert answer.status_code in (403, 415)
        assert answer.headers["connection"] == "close"
    for content in (b'{"text": ""}', b'{"text": "' + TEXT.encode() + b'"}'):  # read whole: the connection may stay
        assert "connection" not in client.post("/v1/predict", content=content, headers=JSON).headers


class TestBodyReader:
    """Bodies of which not all arrives."""

    @staticmethod
    def refusal(*chunks: bytes, **headers: str) -> Refusal:
        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.Event().wait()  # nothing more comes
            return {"type": "http.request", "body": waiting.pop(0), "more_body": True}

        waiting = [*chunks]
        names = {"content-type": "application/json", **{name.replace("_", "-"): v for name, v in headers.items()}}
        raw = [(name.encode(), value.encode()) for name, value in names.items()]
        request = Request({"type": "http", "method": "POST", "path": "/v1/predict", "headers": raw}, receive)
        reader = BodyReader(ServingSettings.of({"max_body": 1024, "timeout": 0.1}))
        with pytest.raises(Refusal) as found:
            asyncio.run(reader.read(request, PredictBody))
        assert reader.held == 0
        return found.value

    def test_one_that_is_too_slow(self) -> None:
        assert self.refusal(b"{", content_length="1000").status == 408

    def test_one_that_is_too_large_and_too_slow_is_too_large(self) -> None:
        assert self.refusal(b"{", content_length="2000").status == 413
        assert self.refusal(b" " * 1025).status == 413

    def test_a_length_beside_chunks_says_nothing(self) -> None:
        assert self.refusal(b"{", content_length="9" * 12, transfer_encoding="chunked").status == 408


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/predict", 405), ("POST", "/v1/nothing", 404), ("GET", "/../etc/passwd", 404), ("PUT", "/", 405)],
)
def test_another_place_or_method(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert "/openapi.json tells what" in answer.json()["error"]


@pytest.mark.parametrize("weeks", ["0", "521", "x", "1e3", "9" * 50])
def test_a_number_of_weeks_that_cannot_be_used(client: TestClient, weeks: str) -> None:
    answer = client.get(f"/v1/drift?weeks={weeks}")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"weeks: found '{weeks}'; ")


@pytest.mark.parametrize("given", ["a" * 129, "with space", "new\tline", "é"])
def test_a_request_id_that_does_not_fit_a_log_is_replaced(client: TestClient, given: str) -> None:
    headers: Any = {"x-request-id": given.encode()}
    found = client.get("/healthz", headers=headers).headers["x-request-id"]
    assert found != given
    assert len(found) == 32
