"""`zhenwei serve`: errors are reported before anything is served."""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")

Command = Callable[..., Any]


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_in_use(zhenwei: Command, tiny_run: Path, used_port: int) -> None:
    error = zhenwei("serve", tiny_run, "--port", used_port).error
    assert error == (
        f"error: serve: cannot listen on 127.0.0.1, port {used_port}: Address already in use; "
        "choose another --host or --port"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--port", "70000"), "serve: port: found 70000; expected at most 65535"),
        (("--max-batch", "0"), "serve: max_batch: found 0; expected at least 1"),
        (("--timeout", "0"), "serve: timeout: found 0.0; expected greater than 0"),
        (("--timeout", "nan"), "serve: timeout: found nan; expected "),
        (("--max-body", "100000000"), "max_bodies is 67108864, less than the 100000000 bytes of one body (max_body)"),
    ],
)
def test_a_setting_out_of_range(zhenwei: Command, tiny_run: Path, options: tuple[str, str], message: str) -> None:
    assert message in zhenwei("serve", tiny_run, *options).error


def test_a_host_of_another_machine(zhenwei: Command, tiny_run: Path) -> None:
    error = zhenwei("serve", tiny_run, "--host", "192.0.2.1", "--port", "0").error
    assert error.startswith("error: serve: cannot listen on 192.0.2.1, port 0: Cannot assign requested address")


def test_no_bundle(zhenwei: Command, tmp_path: Path) -> None:
    error = zhenwei("serve", tmp_path / "none", "--port", "0").error
    assert error == f"error: {tmp_path / 'none'}: no such folder; expected a run folder or a bundle"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no key; expected one per line"),
        ("# only a comment\n\n", "has no key; expected one per line"),
        ("# two\nlong-enough-for-a-key\nshort\n", "keys, line 3: found a key of 5 characters; expected at least 16"),
        ("with a space in its middle\n", "keys, line 1: found a key of 26 characters"),
    ],
)
def test_unusable_keys(zhenwei: Command, tiny_run: Path, tmp_path: Path, content: str, message: str) -> None:
    keys = tmp_path / "keys"
    keys.write_text(content)
    error = zhenwei("serve", tiny_run, "--port", "0", "--api-key-file", keys).error
    assert message in error
    assert "short\n" not in error


def test_a_short_key_in_the_environment(zhenwei: Command, tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHENWEI_API_KEYS", "long-enough-for-a-key, secret")
    error = zhenwei("serve", tiny_run, "--port", "0").error
    assert error.startswith("error: ZHENWEI_API_KEYS: found a key of 6 characters")
    assert "secret" not in error


def test_a_missing_library(zhenwei: Command, tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "zhenwei.serving.server", raising=False)
    error = zhenwei("serve", tiny_run).error
    assert error == "error: serve: uvicorn is not installed; pip install 'zhenwei[serve]'"
