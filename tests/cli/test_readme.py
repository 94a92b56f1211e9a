"""The commands and the Python example of the README run from top to bottom, in order."""

import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.news.sources.synthetic import SyntheticDataset

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
START_UP = 60  # seconds


def steps() -> list[tuple[str, str]]:
    """Return the commands (`bash`, one line each) and the code blocks (`python`) of the README in order."""
    found: list[tuple[str, str]] = []
    for language, block in BLOCK.findall(README.read_text(encoding="utf-8")):
        found += [(language, line) for line in block.splitlines()] if language == "bash" else [(language, block)]
    return found


def write_posts(path: Path) -> None:
    """Write 200 posts of the synthetic dataset, past and future, as a user would have them: one file, with times."""
    dataset = SyntheticDataset(seed=1, n_train=120, n_val=40, n_test=40)
    rows = [article.to_row() for articles in dataset.generate().values() for article in articles]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def serve_until_ready(arguments: list[str]) -> None:
    """Start the service on a free port, wait until it prints its address, and stop it as a service manager does."""
    command = [sys.executable, "-m", "zhenwei", *arguments, "--port", "0", "--drain-seconds", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        watchdog = threading.Timer(START_UP, process.kill)
        watchdog.start()
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "http://127.0.0.1:" in line:
                process.send_signal(signal.SIGTERM)
        watchdog.cancel()
        assert process.wait() == 0, "".join(lines)


@pytest.mark.nightly
def test_the_readme_runs_from_top_to_bottom(
    zhenwei: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_posts(Path("posts.json"))
    run = set()
    for language, code in steps():
        if language == "python":
            exec(compile(code, str(README), "exec"), {})
            continue
        words = shlex.split(code, comments=True)
        if not words or words[0] == "make":  # the environment is there, and a clean clone tries the demo
            continue
        assert words.pop(0) == "zhenwei", code
        if words[0] == "serve":
            serve_until_ready(words)
        else:
            outcome = zhenwei(*words)
            assert outcome.status == 0, (code, outcome.stderr)
        run.add(words[0])
    assert run >= {"data", "train", "evaluate", "report", "calibrate", "compare", "tune", "predict", "explain", "serve"}
    for path in ("data/split.json", "runs/bigru-endef/results.json", "why.html", "exported/bigru/model.onnx", "scored"):
        assert Path(path).exists(), path
