"""What the page is told of the service, and how its files are served."""

import pytest
from starlette.testclient import TestClient

from zhenwei.serving.service import Service


def test_it_tells_what_it_can_do_and_its_limits(client: TestClient, service: Service) -> None:
    assert client.get("/v1/about").json() == {
        "bundle": service.served.to_dict(),
        "threshold": 0.5,
        "calibrated": False,
        "neighbours": False,
        "feedback": True,
        "limits": {"texts": 4, "characters": 200, "body": 4096},
    }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/drift/", "text/html; charset=utf-8"),
        ("/script/main.js", "text/javascript; charset=utf-8"),
        ("/style/page.css", "text/css; charset=utf-8"),
    ],
)
def test_files_have_their_types_and_are_asked_for_anew(client: TestClient, path: str, kind: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/predict", 405),
        ("POST", "/", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/../app.py", 404),
        ("GET", "/script/%2e%2e/%2e%2e/app.py", 404),
        ("GET", "/script", 404),
    ],
)
def test_the_page_hides_no_refusal_and_nothing_beside_it_is_served(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]
