"""`zhenwei push`, and a name on the hub where a command reads a detector."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zhenwei import Detector

if TYPE_CHECKING:
    from local_hub import LocalHub

NAME = "newsroom/rumours"
TEXT = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
Zhenwei = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shared(hub: "LocalHub", own_run: Path) -> Detector:
    """A detector that is on the hub."""
    detector = Detector.load(own_run, "cpu")
    detector.push_to_hub(NAME)
    return detector


class TestPush:
    def test_it_says_what_was_shared_and_what_was_not(
        self, hub: "LocalHub", own_bundle: Path, zhenwei: Zhenwei
    ) -> None:
        (own_bundle / "notes.txt").write_text("mine")
        status, stdout, _ = zhenwei("push", own_bundle, NAME, "--private")
        assert status == 0
        assert (
            f"shared README.md, config.json, detector.json, model.safetensors, tokenizer.json: {hub.url}/{NAME}"
            in stdout
        )
        assert "not shared: notes.txt" in stdout
        assert f"zhenwei predict hf://{NAME}@{hub.repos[NAME].branches['main']}" in stdout
        assert hub.repos[NAME].private

    def test_a_licence_goes_into_the_card(self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei) -> None:
        assert zhenwei("push", own_run, NAME, "--license", "cc-by-nc-4.0")[0] == 0
        assert b"\nlicense: cc-by-nc-4.0\n" in hub.files(NAME)["README.md"]

    def test_its_figures_are_json(self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei) -> None:
        status, stdout, _ = zhenwei("push", own_run, NAME, "--revision", "next", "--json", "-")
        assert status == 0
        found = json.loads(stdout)
        assert found["url"] == f"{hub.url}/{NAME}"
        assert found["revision"] == "next"
        assert found["commit"] == hub.repos[NAME].branches["next"]

    def test_a_mistake_is_one_sentence(self, hub: "LocalHub", own_run: Path, zhenwei: Zhenwei) -> None:
        status, stdout, stderr = zhenwei("push", own_run, "others/rumours")
        assert (status, stdout) == (2, "")
        assert "error: others/rumours: not allowed (You don't have the rights" in stderr
        assert "Traceback" not in stderr

    def test_a_run_that_is_none_is_refused_before_the_hub_is_asked(
        self, hub: "LocalHub", tmp_path: Path, zhenwei: Zhenwei
    ) -> None:
        status, _, stderr = zhenwei("push", tmp_path / "nothing", NAME)
        assert status == 2
        assert "no such folder; expected a run folder or a bundle" in stderr
        assert hub.asked == []


class TestNamesOnTheHub:
    def test_predict(self, hub: "LocalHub", shared: Detector, zhenwei: Zhenwei) -> None:
        status, stdout, stderr = zhenwei("predict", f"hf://{NAME}", TEXT, "--json", "-")
        assert status == 0
        assert "HTTP Request" not in stderr
        assert json.loads(stdout)[0]["probability"] == shared.predict(TEXT)[0].probability

    def test_predict_files(
        self, hub: "LocalHub", shared: Detector, zhenwei: Zhenwei, data_folder: Path, tmp_path: Path
    ) -> None:
        arguments = ("--file", data_folder / "val.json", "--out", tmp_path / "shards")
        assert zhenwei("predict", f"hf://{NAME}", *arguments)[0] == 0
        assert (tmp_path / "shards" / "val.jsonl").exists()

    def test_explain(self, hub: "LocalHub", shared: Detector, zhenwei: Zhenwei) -> None:
        status, stdout, _ = zhenwei("explain", f"hf://{NAME}@main", TEXT, "--json", "-")
        assert status == 0
        assert json.loads(stdout)["prediction"]["verdict"] == shared.predict(TEXT)[0].verdict

    def test_evaluate(self, hub: "LocalHub", shared: Detector, zhenwei: Zhenwei, data_folder: Path) -> None:
        status, stdout, _ = zhenwei("evaluate", f"hf://{NAME}", data_folder / "test.json", "--json", "-")
        assert status == 0
        assert json.loads(stdout)["n"] == 24

    @pytest.mark.parametrize("name", ["hf://", "hf://rumours", "hf://a/b/c", "hf://newsroom/rumours@", "hf:///etc/x"])
    def test_a_name_of_another_form_is_refused(self, hub: "LocalHub", zhenwei: Zhenwei, name: str) -> None:
        status, stdout, stderr = zhenwei("predict", name, TEXT)
        assert (status, stdout) == (2, "")
        assert f"error: '{name}': no name of a detector on the hub; expected hf://USER/NAME[@REVISION]" in stderr
        assert hub.asked == []

    @pytest.mark.parametrize("command", ["calibrate", "index", "report"])
    def test_commands_that_want_a_folder_say_so(self, zhenwei: Zhenwei, command: str) -> None:
        status, _, stderr = zhenwei(command, f"hf://{NAME}")
        assert status == 2
        assert f"hf://{NAME}: expected the folder of a run or a bundle" in stderr

    def test_one_that_is_not_there(self, hub: "LocalHub", zhenwei: Zhenwei) -> None:
        status, _, stderr = zhenwei("evaluate", "hf://newsroom/nothing", "val.json")
        assert status == 2
        assert f"error: newsroom/nothing: found no such repository at {hub.url}" in stderr

    def test_a_service_is_called_as_its_detector(self, hub: "LocalHub", shared: Detector) -> None:
        from zhenwei.inference.hub.hub import fetch_named  # noqa: PLC0415
        from zhenwei.serving.loaded_bundle import LoadedBundle  # noqa: PLC0415

        loaded = LoadedBundle.load(fetch_named(f"hf://{NAME}"), "cpu", NAME)
        assert loaded.name == NAME
        assert loaded.detector.predict(TEXT) == shared.predict(TEXT)


@pytest.mark.slow
def test_processes_that_know_the_hub_by_their_environment(hub: "LocalHub", own_run: Path, tmp_path: Path) -> None:
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


def test_the_library_s_own_log_is_not_shown() -> None:
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
