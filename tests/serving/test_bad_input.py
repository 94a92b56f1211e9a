"""Invalid requests get 4xx with a sentence that names the field, never 500."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from zhenwei.serving.http.body import BodyLimitMiddleware
from zhenwei.serving.http.errors import ApiError
from zhenwei.serving.settings import ServingSettings

JSON = {"content-type": "application/json"}
TEXT = "听说云溪的自来水出大事了"


def post(client: TestClient, content: bytes, path: str = "/v1/predict", **headers: str) -> tuple[int, str, str | None]:
    response = client.post(path, content=content, headers={**JSON, **headers})
    body = response.json()
    assert response.headers["x-request-id"] == body["request_id"]
    return response.status_code, body["error"], body["field"]


BAD_BODIES: list[tuple[bytes, int, str, str | None]] = [
    (b"", 422, "body: missing", "body"),
    (b"{", 400, "body: not valid JSON: Expecting property name enclosed in double quotes at character 1", "body"),
    (b"\xff\xfe", 400, "body: not valid JSON: Expecting value at character 0", "body"),
    (b"\xff", 400, "body: not valid JSON", "body"),
    (b"[" * 4000, 400, "body: not valid JSON", "body"),
    (b'{"texts": ' + b"9" * 4000 + b"}", 422, "texts: found ", "texts"),
    (b'{"texts": [NaN]}', 422, "texts[0]: found NaN; expected a valid string", "texts[0]"),
    (b'{"texts": ["' + b"a" * 5000 + b'"]}', 413, "body: found 5015 bytes; expected at most 4096", "body"),
    (b"[1]", 422, "body: found a list of 1; expected an object", "body"),
    (b"null", 422, "body: found null; expected an object", "body"),
    (b"{}", 422, 'expected either {"texts": ["..."]} or {"text": "..."}', None),
    (b'{"text": "a", "texts": ["a"]}', 422, 'expected either {"texts": ["..."]} or {"text": "..."}', None),
    (b'{"texts": []}', 422, "texts: found a list of 0; List should have at least 1 item", "texts"),
    (b'{"texts": "a"}', 422, "texts: found a text of 1 characters; expected a valid list", "texts"),
    (b'{"texts": ["a", 5]}', 422, "texts[1]: found 5; expected a valid string", "texts[1]"),
    (b'{"texts": ["a", null]}', 422, "texts[1]: found null; expected a valid string", "texts[1]"),
    (b'{"texts": ["a", {"b": 1}]}', 422, "texts[1]: found an object; expected a valid string", "texts[1]"),
    (b'{"texts": ["a", "b", "c", "d", "e"]}', 422, "texts: found 5; expected at most 4 per request", "texts"),
    (b'{"text": ""}', 422, "text: found a text of 0 characters; String should have at least 1 character", "text"),
    (b'{"text": " \\n\\u3000\\u200b"}', 422, "text: found a blank text", "text"),
    (b'{"texts": ["a", "b\\u0000"]}', 422, "texts[1]: found the control character U+0000 at character 2", "texts[1]"),
    (b'{"text": "\\u001b[31m"}', 422, "text: found the control character U+001B at character 1", "text"),
    (b'{"texts": ["a", "\\ud800"]}', 422, "texts[1]: found half of a surrogate pair", "texts[1]"),
    (b'{"text": "\\udfffa"}', 422, "text: found half of a surrogate pair", "text"),
    (b'{"text": "\xed\xa0\x80"}', 422, "text: found half of a surrogate pair", "text"),
    (b'{"text": "' + b"a" * 201 + b'"}', 422, "text: found 201 characters; expected at most 200", "text"),
    (b'{"text": "a", "txt": 1}', 422, "txt: unknown field; did you mean 'text'?", "txt"),
    (b'{"text": "a", "ids": ["1"]}', 422, "ids: found 1 for 0 texts; expected one per text", "ids"),
    (b'{"texts": ["a"], "ids": []}', 422, "ids: found 0 for 1 texts; expected one per text", "ids"),
    (b'{"texts": ["a"], "ids": [7]}', 422, "ids[0]: found 7; expected a valid string", "ids[0]"),
    (
        b'{"texts": ["a"], "ids": ["\\n"]}',
        422,
        "ids[0]: found a text of 1 characters; String should match",
        "ids[0]",
    ),
    (b'{"text": "a", "return_texts": 1}', 422, "return_texts: found 1; expected a valid boolean", "return_texts"),
]


@pytest.mark.parametrize(("content", "status", "message", "field"), BAD_BODIES, ids=lambda value: str(value)[:30])
def test_an_invalid_body(client: TestClient, content: bytes, status: int, message: str, field: str | None) -> None:
    error = post(client, content)
    assert (error[0], error[2]) == (status, field)
    assert error[1].startswith(message)


BAD_FIELDS = [
    ("/v1/explain", b"{}", "text: missing"),
    ("/v1/neighbours", b'{"text": "a", "k": 0}', "k: found 0; expected greater than or equal to 1"),
    ("/v1/neighbours", b'{"text": "a", "k": 1e400}', "k: found Infinity; expected a valid integer"),
    ("/v1/neighbours", b'{"text": "a", "k": 51}', "k: found 51; expected less than or equal to 50"),
    ("/v1/feedback", b'{"text": "a"}', "verdict: missing"),
    ("/v1/feedback", b'{"text": "a", "verdict": "maybe"}', "verdict: found a text of 5 characters; expected 'real' or"),
    (
        "/v1/feedback",
        b'{"text": "a", "verdict": "fake", "predicted_probability": 1.5}',
        "predicted_probability: found 1.5; expected less than or equal to 1",
    ),
    (
        "/v1/feedback",
        b'{"text": "a", "verdict": "fake", "predicted_probability": NaN}',
        "predicted_probability: found NaN; expected a finite number",
    ),
    (
        "/v1/feedback",
        b'{"text": "a", "verdict": "fake", "bundle_version": "1"}',
        "bundle_version: found a text of 1 characters; String should match pattern '^[0-9a-f]{64}$'",
    ),
    ("/v1/feedback", b'{"text": "a", "verdict": "fake", "comment": "\\u0000"}', "comment: found a text of 1"),
    ("/v1/feedback", b'{"text": "a\\u0000", "verdict": "fake"}', "text: found the control character U+0000"),
]


@pytest.mark.parametrize(("path", "content", "message"), BAD_FIELDS)
def test_an_invalid_field_of_another_endpoint(client: TestClient, path: str, content: bytes, message: str) -> None:
    status, error, field = post(client, content, path)
    assert status == 422
    assert error.startswith(message)
    assert field == message.partition(":")[0]


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp"])
def test_the_wrong_content_type(client: TestClient, kind: str) -> None:
    status, error, field = post(client, b'{"text": "a"}', **{"content-type": kind})
    assert (status, field) == (415, "content-type")
    assert error == f"content-type: found '{kind}'; expected application/json"


def test_another_charset(client: TestClient) -> None:
    status, error, _ = post(client, b'{"text": "a"}', **{"content-type": "application/json; charset=gbk"})
    assert (status, error) == (415, "content-type: found charset gbk; expected utf-8")


def test_a_chunked_body_that_is_too_large(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    response = client.post("/v1/predict", content=chunks(), headers=JSON)
    assert response.status_code == 413
    assert response.headers["connection"] == "close"  # the rest must not be parsed as the next request


def test_an_error_that_leaves_a_body_unread_closes_the_connection(client: TestClient) -> None:
    for headers in ({"content-type": "text/plain"}, {**JSON, "origin": "https://elsewhere.example"}):
        response = client.post("/v1/predict", content=b'{"text": "a"}', headers=headers)
        assert response.status_code in (403, 415)
        assert response.headers["connection"] == "close"
    for content in (b'{"text": ""}', b'{"text": "' + TEXT.encode() + b'"}'):  # fully read: the connection stays
        assert "connection" not in client.post("/v1/predict", content=content, headers=JSON).headers


class TestIncompleteBodies:
    """Bodies that do not arrive completely."""

    @staticmethod
    def error(*chunks: bytes, **headers: str) -> ApiError:
        async def receive() -> dict[str, Any]:
            if not pending:
                await asyncio.Event().wait()  # no more chunks
            return {"type": "http.request", "body": pending.pop(0), "more_body": True}

        pending = [*chunks]
        fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
        middleware = BodyLimitMiddleware(PlainTextResponse(), ServingSettings.of({"max_body": 1024, "timeout": 0.1}))
        with pytest.raises(ApiError) as caught:
            asyncio.run(middleware.read(fields, receive))
        assert middleware.buffered == 0
        return caught.value

    def test_a_slow_body(self) -> None:
        assert self.error(b"{", content_length="1000").status_code == 408

    def test_a_slow_body_that_is_too_large_is_too_large(self) -> None:
        assert self.error(b"{", content_length="2000").status_code == 413
        assert self.error(b" " * 1025).status_code == 413

    def test_the_length_of_a_chunked_body_is_ignored(self) -> None:
        assert self.error(b"{", content_length="9" * 12, transfer_encoding="chunked").status_code == 408


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/predict", 405), ("POST", "/v1/nothing", 404), ("GET", "/../etc/passwd", 404), ("PUT", "/", 405)],
)
def test_an_unknown_path_or_method(client: TestClient, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert "/openapi.json lists" in response.json()["error"]


@pytest.mark.parametrize("weeks", ["0", "521", "x", "1e3", "9" * 50])
def test_an_invalid_number_of_weeks(client: TestClient, weeks: str) -> None:
    response = client.get(f"/v1/drift?weeks={weeks}")
    assert response.status_code == 422
    assert response.json()["error"].startswith(f"weeks: found '{weeks}'; ")


@pytest.mark.parametrize("request_id", ["a" * 129, "with space", "new\tline", "é"])
def test_an_invalid_request_id_is_replaced(client: TestClient, request_id: str) -> None:
    headers: Any = {"x-request-id": request_id.encode()}
    used = client.get("/healthz", headers=headers).headers["x-request-id"]
    assert used != request_id
    assert len(used) == 32
