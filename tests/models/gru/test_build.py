"""Compiling C++ where it runs, and doing without."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from zhenwei.models.gru.build import load_library

SOURCE = 'extern "C" int answer() { return ANSWER; }\n'


@pytest.fixture(autouse=True)
def forgetful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep what is compiled in a folder of the test's own."""
    monkeypatch.setenv("ZHENWEI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZHENWEI_KERNELS", raising=False)
    load_library.cache_clear()
    yield
    load_library.cache_clear()


def written(folder: Path, answer: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "answer.h").write_text(f"#define ANSWER {answer}\n")
    source = folder / "answer.cpp"
    source.write_text(f'#include "answer.h"\n{SOURCE}')
    return source


@pytest.mark.usefixtures("compiler")
class TestLoadLibrary:
    def test_it_compiles_once(self, tmp_path: Path) -> None:
        source = written(tmp_path, 42)
        library = load_library(source)
        assert library is not None
        assert library.answer() == 42
        compiled = list((tmp_path / "cache" / "kernels").iterdir())
        assert [file.suffix for file in compiled] == [".so"]
        before = compiled[0].stat().st_mtime_ns
        load_library.cache_clear()
        assert load_library(source) is not None
        assert compiled[0].stat().st_mtime_ns == before

    def test_a_changed_header_is_compiled(self, tmp_path: Path) -> None:
        for folder, answer in (("one", 1), ("two", 2)):
            library = load_library(written(tmp_path / folder, answer))
            assert library is not None
            assert library.answer() == answer

    def test_the_cache_is_specific_to_the_processor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = written(tmp_path, 42)
        load_library(source)
        load_library.cache_clear()
        monkeypatch.setattr("zhenwei.models.gru.build._processor", lambda: "another")
        load_library(source)
        assert len(list((tmp_path / "cache" / "kernels").iterdir())) == 2

    def test_an_unwritable_cache_is_not_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("ZHENWEI_CACHE", str(tmp_path / "file"))
        library = load_library(written(tmp_path, 42))
        assert library is not None
        assert library.answer() == 42

    def test_a_damaged_library_is_compiled_again(self, tmp_path: Path) -> None:
        source = written(tmp_path, 42)
        folder = tmp_path / "cache" / "kernels"
        folder.mkdir(parents=True)
        load_library(source)
        load_library.cache_clear()
        (compiled,) = folder.iterdir()
        compiled.unlink()
        compiled.write_bytes(b"cut off")
        library = load_library(source)
        assert library is not None
        assert library.answer() == 42


class TestWithoutKernels:
    def test_a_missing_compiler_is_logged_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CXX", raising=False)
        source = written(tmp_path, 42)
        with caplog.at_level(logging.INFO):
            assert load_library(source) is None
            assert load_library(source) is None
        assert [record.getMessage() for record in caplog.records] == [
            "answer: no C++ compiler found; using PyTorch operations, which are slower"
        ]

    @pytest.mark.usefixtures("compiler")
    def test_a_compile_error_is_logged(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        source = tmp_path / "answer.cpp"
        source.write_text("int answer( {")
        assert load_library(source) is None
        assert "answer.cpp cannot be compiled; using PyTorch operations, which are slower: " in caplog.text
        assert "error" in caplog.text

    def test_a_broken_compiler_is_logged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = tmp_path / "broken"
        broken.write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
        broken.chmod(0o755)
        monkeypatch.setenv("CXX", str(broken))
        assert load_library(written(tmp_path, 42)) is None
        assert "out of order" in caplog.text

    def test_kernels_can_be_turned_off(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ZHENWEI_KERNELS", "0")
        assert load_library(written(tmp_path, 42)) is None
        assert not os.path.exists(tmp_path / "cache")
