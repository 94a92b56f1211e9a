"""The endpoint that the page asks for features and limits, and the files of the page."""

import pytest
from starlette.testclient import TestClient

from zhenwei.serving.service import Service


def test_about_has_features_and_limits(client: TestClient, service: Service) -> None:
    assert client.get("/v1/about").json() == {
        "bundle": service.loaded.info.model_dump(),
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
def test_files_have_their_types_and_are_revalidated(client: TestClient, path: str, kind: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, kind)
    assert response.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": response.headers["etag"]})
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
def test_the_page_hides_no_error_and_no_file_outside_its_folder_is_served(
    client: TestClient, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]
