"""Prediction loads no packages that it does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from zhenwei.cli import main
sys.argv = ["zhenwei", "predict", *sys.argv[1:]]
try:
    main()
except SystemExit as error:
    assert error.code == 0, error.code
print([name for name in sys.modules if name.startswith(("zhenwei.evaluation", "zhenwei.training", "matplotlib"))])
"""


@pytest.mark.slow
def test_predict_does_not_import_evaluation_or_training(tiny_run: Path) -> None:
    command = [sys.executable, "-c", CODE, str(tiny_run), "听说大蒜涨价了", "--device", "cpu"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert result.stdout.splitlines()[-1] == "[]"
