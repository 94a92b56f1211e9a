"""`zhenwei push`, and commands that read a detector from the hub."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zhenwei import Detector

pytestmark = pytest.mark.slow  # a server, several processes

if TYPE_CHECKING:
    from local_hub import LocalHub

NAME = "newsroom/rumours"
TEXT = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
Zhenwei = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pushed(hub: "LocalHub", own_run: Path) -> Detector:
    """A detector that was pushed."""
    detector = Detector.load(own_run, "cpu")
    detector.push_to_hub(NAME)
    return detector


class TestPush:
    def test_reports_what_was_pushed(self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei) -> None:
        bundle = own_run / "checkpoints" / "best"
        (bundle / "notes.txt").write_text("mine")
        status, stdout, _ = zhenwei("push", bundle, NAME, "--private")
        assert status == 0
        assert (
            f"pushed README.md, config.json, detector.json, model.safetensors, tokenizer.json: {hub.url}/{NAME}"
            in stdout
        )
        assert "not pushed: notes.txt" in stdout
        assert f"zhenwei predict hf://{NAME}@{hub.repos[NAME].branches['main']}" in stdout
        assert hub.repos[NAME].private

    def test_edited_card_is_replaced_only_with_overwrite_card(
        self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei
    ) -> None:
        hub.make(NAME, {"README.md": b"# Mine\n"})
        status, stdout, _ = zhenwei("push", own_run, NAME)
        assert status == 0
        assert "kept README.md, which a person wrote or edited on the hub; --overwrite-card replaces it" in stdout
        assert hub.files(NAME)["README.md"] == b"# Mine\n"
        assert zhenwei("push", own_run, NAME, "--overwrite-card")[0] == 0
        assert hub.files(NAME)["README.md"] != b"# Mine\n"

    def test_license_is_in_the_card(self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei) -> None:
        assert zhenwei("push", own_run, NAME, "--license", "cc-by-nc-4.0")[0] == 0
        assert b"\nlicense: cc-by-nc-4.0\n" in hub.files(NAME)["README.md"]

    def test_json_output(self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei) -> None:
        status, stdout, _ = zhenwei("push", own_run, NAME, "--revision", "next", "--json", "-")
        assert status == 0
        output = json.loads(stdout)
        assert output["url"] == f"{hub.url}/{NAME}"
        assert output["revision"] == "next"
        assert output["commit"] == hub.repos[NAME].branches["next"]

    def test_error_is_one_sentence(self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei) -> None:
        status, stdout, stderr = zhenwei("push", own_run, "others/rumours")
        assert (status, stdout) == (2, "")
        assert "error: others/rumours: not allowed (You don't have the rights" in stderr
        assert "Traceback" not in stderr

    def test_missing_run_is_refused_before_any_request(self, hub: "LocalHub", tmp_path: Path, zhenwei: Zhenwei) -> None:
        status, _, stderr = zhenwei("push", tmp_path / "nothing", NAME)
        assert status == 2
        assert "no such folder; expected a run folder or a bundle" in stderr
        assert hub.requests == []


class TestHubNames:
    def test_predict(self, hub: "LocalHub", pushed: Detector, zhenwei: Zhenwei) -> None:
        status, stdout, stderr = zhenwei("predict", f"hf://{NAME}", TEXT, "--json", "-")
        assert status == 0
        assert "HTTP Request" not in stderr
        assert json.loads(stdout)[0]["probability"] == pushed.predict(TEXT)[0].probability

    def test_predict_files(
        self, hub: "LocalHub", pushed: Detector, zhenwei: Zhenwei, data_folder: Path, tmp_path: Path
    ) -> None:
        arguments = ("--file", data_folder / "val.json", "--out", tmp_path / "shards")
        assert zhenwei("predict", f"hf://{NAME}", *arguments)[0] == 0
        assert (tmp_path / "shards" / "val.jsonl").exists()

    def test_explain(self, hub: "LocalHub", pushed: Detector, zhenwei: Zhenwei) -> None:
        status, stdout, _ = zhenwei("explain", f"hf://{NAME}@main", TEXT, "--json", "-")
        assert status == 0
        assert json.loads(stdout)["prediction"]["verdict"] == pushed.predict(TEXT)[0].verdict

    def test_evaluate(self, hub: "LocalHub", pushed: Detector, zhenwei: Zhenwei, data_folder: Path) -> None:
        status, stdout, _ = zhenwei("evaluate", f"hf://{NAME}", data_folder / "test.json", "--json", "-")
        assert status == 0
        assert json.loads(stdout)["n"] == 24

    @pytest.mark.parametrize("name", ["hf://", "hf://rumours", "hf://a/b/c", "hf://newsroom/rumours@", "hf:///etc/x"])
    def test_invalid_name_is_refused(self, hub: "LocalHub", zhenwei: Zhenwei, name: str) -> None:
        status, stdout, stderr = zhenwei("predict", name, TEXT)
        assert (status, stdout) == (2, "")
        assert f"error: '{name}': not the name of a detector on the hub; expected hf://USER/NAME[@REVISION]" in stderr
        assert hub.requests == []

    @pytest.mark.parametrize("command", ["calibrate", "index", "report"])
    def test_commands_that_need_a_folder(self, zhenwei: Zhenwei, command: str) -> None:
        status, _, stderr = zhenwei(command, f"hf://{NAME}")
        assert status == 2
        assert f"hf://{NAME}: expected the folder of a run or a bundle" in stderr

    def test_missing_repository(self, hub: "LocalHub", zhenwei: Zhenwei) -> None:
        status, _, stderr = zhenwei("evaluate", "hf://newsroom/nothing", "val.json")
        assert status == 2
        assert f"error: newsroom/nothing: no such repository at {hub.url}" in stderr

    def test_service_is_named_by_its_detector(self, hub: "LocalHub", pushed: Detector) -> None:
        from zhenwei.inference.hub.hub import fetch_named  # noqa: PLC0415
        from zhenwei.serving.loaded_bundle import LoadedBundle  # noqa: PLC0415

        loaded = LoadedBundle.load(fetch_named(f"hf://{NAME}"), "cpu", NAME)
        assert loaded.name == NAME
        assert loaded.detector.predict(TEXT) == pushed.predict(TEXT)


@pytest.mark.nightly
def test_processes_with_the_hub_in_their_environment(hub: "LocalHub", own_run: Path, tmp_path: Path) -> None:
    from local_hub import TOKEN  # noqa: PLC0415

    environment = {
        "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip

    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "zhenwei", *map(str, arguments)]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    commit = json.loads(run("push", own_run, NAME, "--json", "-"))["commit"]
    [found] = json.loads(run("predict", f"hf://{NAME}@{commit}", TEXT, "--json", "-"))
    assert found["probability"] == Detector.load(own_run, "cpu").predict(TEXT)[0].probability


@pytest.mark.nightly
def test_log_of_the_library_is_hidden() -> None:
    program = (
        "import sys; sys.argv = ['zhenwei', 'predict', 'hf://x', 'a']\n"
        "from zhenwei.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "import logging, huggingface_hub.utils.logging\n"
        "print(logging.getLogger('huggingface_hub').getEffectiveLevel() >= logging.ERROR)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_VERBOSITY"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "True\n"
