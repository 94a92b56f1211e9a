"""What the repository says of itself is true: its commands, links, examples, pins and contracts."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

import zhenwei
from zhenwei.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Needed without an import statement: accelerate's TensorBoard tracker imports it; `load_jieba` imports by name.
NEEDED_UNSEEN = {"tensorboardx", "jieba"}


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def code_blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(path), flags=re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[str]:
    """The lines of a page's shell blocks, without comments and without the texts that are judged."""
    lines = "".join(code_blocks(path, "bash")).replace("\\\n", " ").splitlines()
    bare = (re.sub(r'"[^"]*"', '"..."', re.sub(r"(^|\s+)#.*", "", line)) for line in lines)
    return [" ".join(line.split()) for line in bare if line.strip()]


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), flags=re.MULTILINE))


def requirements() -> Iterator[Requirement]:
    project = PROJECT["project"]
    for lines in [project["dependencies"], *project["optional-dependencies"].values()]:
        yield from map(Requirement, lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_of_a_page_is_a_target(page: Path) -> None:
    named = {line.split()[1] for line in commands(page) if line.startswith("make ")}
    assert named <= makefile_targets()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_zhenwei_command_of_a_page_exists_with_its_options(page: Path) -> None:
    for line in commands(page):
        if "zhenwei " not in line or line.startswith(("git ", "cd ")):
            continue
        command: Any = get_command(app)
        words = line.split("zhenwei ", 1)[1].split()
        while hasattr(command, "commands") and not words[0].startswith("--"):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("readme", READMES, ids=lambda page: page.name)
def test_the_readmes_first_two_commands_do_everything(readme: Path) -> None:
    assert commands(readme)[:2] == ["make demo", "make test"]


def test_both_readmes_show_the_same_commands_and_the_same_sections() -> None:
    english, chinese = READMES
    assert commands(english) == commands(chinese)
    levels = [re.findall(r"^(#+) ", text_of(readme), flags=re.MULTILINE) for readme in READMES]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text_of(page))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_the_guide_to_the_settings_is_current() -> None:
    page = ROOT / "docs" / "configuration.md"
    spec = importlib.util.spec_from_file_location("configuration_page", page.with_suffix(".py"))
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert text_of(page) == writer.current_page(text_of(page)), "run `make docs`"


@pytest.mark.slow
@pytest.mark.nightly
def test_the_examples_for_contributors_work(tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    for number in range(12):
        post = {"text": "谣言，快转发" if number % 2 else "今日通报", "rumour": bool(number % 2), "date": "2020-01-02"}
        (tmp_path / "posts" / f"{number}.json").write_text(json.dumps(post), encoding="utf-8")
    use = f"""
from zhenwei import Detector, Trainer
from zhenwei.news import write_articles

here = Path({str(tmp_path)!r})
articles = list(read_example(here)["articles"])
for part in ("train", "val"):
    write_articles(here / f"{{part}}.json", articles)
config = {{"model": {{"name": "mean_pool"}}, "training": {{"epochs": 1}},
          "data": {{"root_path": str(here)}}, "output": {{"dir": str(here / "run")}}}}
results, model_path = Trainer(config).train()
(prediction,) = Detector.load(model_path).predict(["今日通报"])
assert results["n"] == 12 and 0 < prediction.probability < 1
"""
    detector = code_blocks(ROOT / "docs" / "detectors.md", "python")
    script = "\n".join([*detector, *code_blocks(ROOT / "CONTRIBUTING.md", "python"), use])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_layers_contract_names_every_package_and_module() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip().removeprefix("zhenwei.") for layer in layers for name in layer.split("|")}
    package = Path(zhenwei.__file__).parent
    existing = {entry.stem for entry in package.iterdir() if entry.suffix == ".py" or (entry / "__init__.py").exists()}
    assert named == existing - {"__init__", "__main__"}


@pytest.mark.slow
def test_the_required_packages_are_those_that_the_source_imports() -> None:
    """What only one command needs is an extra, and imported there alone; all else is required."""
    imported = set()
    for file in Path(zhenwei.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(text_of(file))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    homes = packages_distributions()
    outside = imported - set(sys.stdlib_module_names) - {"zhenwei", "triton"}  # Triton comes with PyTorch for NVIDIA
    needed = {canonicalize_name(homes.get(module, [module])[0]) for module in outside} | NEEDED_UNSEEN
    extras = {
        canonicalize_name(Requirement(line).name)
        for extra, lines in PROJECT["project"]["optional-dependencies"].items()
        if extra != "dev"
        for line in lines
    }
    required = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    assert required == needed - extras
    assert not required & extras


def test_the_pins_fit_every_requirement_on_every_platform() -> None:
    lines = [line for line in text_of(ROOT / "constraints.txt").splitlines() if line and not line.startswith("#")]
    pins = {}
    for line in lines:
        name, version = line.split("==")
        assert "+" not in version, "a local version is of one machine alone"
        pins[canonicalize_name(name)] = version
    assert not [name for name in pins if name.startswith(("nvidia-", "cuda-", "triton"))]
    for requirement in requirements():
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_version_is_one() -> None:
    assert PROJECT["project"]["version"] == zhenwei.__version__
