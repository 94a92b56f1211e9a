"""Failures of the hub are reported in one sentence."""

import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zhenwei import Detector
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.inference.hub.errors import translate_errors
from zhenwei.inference.hub.upload import strip_paths

pytestmark = pytest.mark.slow  # a server

if TYPE_CHECKING:
    from local_hub import LocalHub

NAME = "newsroom/rumours"


def download_error(name: str = NAME, **settings: str) -> str:
    """Return why a detector cannot be downloaded."""
    with pytest.raises((CheckpointError, ConfigError)) as error:
        Detector.from_hub(name, **settings)
    return one_sentence(error.value)


def push_error(detector: Detector, name: str = NAME, **settings: Any) -> str:
    """Return why a detector cannot be pushed."""
    with pytest.raises((CheckpointError, ConfigError)) as error:
        detector.push_to_hub(name, **settings)
    return one_sentence(error.value)


def one_sentence(error: Exception) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.fixture
def detector(own_run: Path) -> Detector:
    return Detector.load(own_run, "cpu")


class TestDownload:
    @pytest.mark.parametrize(
        ("status", "why"),
        [(403, "not allowed (we are"), (429, "refused (we are"), (503, "refused (we are")],
    )
    def test_refusal_is_reported_with_its_reason(
        self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch, status: int, why: str
    ) -> None:
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # the library retries
        hub.failure = status
        assert why in download_error()

    @pytest.mark.parametrize(("writing", "what"), [(True, "upload"), (False, "download")])
    def test_failed_transfer(self, writing: bool, what: str) -> None:
        with (
            pytest.raises(CheckpointError, match=f"{NAME}: the {what} failed"),
            translate_errors(NAME, writing=writing),
        ):
            raise RuntimeError("CAS error")

    def test_missing_repository(self, hub: "LocalHub") -> None:
        assert download_error() == (
            f"{NAME}: no such repository at {hub.url}; check the name, or, if it is private, log in with "
            "`hf auth login`, or set HF_TOKEN"
        )

    def test_private_repository_is_missing_for_others(self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> None:
        hub.make(NAME, {"detector.json": b"{}"}, private=True)
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
        assert "no such repository" in download_error()

    def test_token_argument(self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        from local_hub import TOKEN  # noqa: PLC0415

        monkeypatch.delenv("HF_TOKEN")
        detector.push_to_hub(NAME, private=True, token=TOKEN)
        assert hub.repos[NAME].private
        assert Detector.from_hub(NAME, token=TOKEN).threshold == detector.threshold

    def test_gated_repository(self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> None:
        hub.make(NAME, {"detector.json": b"{}"}, gated=True)
        monkeypatch.delenv("HF_TOKEN")
        assert download_error().startswith(f"{NAME}: access is restricted; request it")

    def test_missing_revision(self, hub: "LocalHub", detector: Detector) -> None:
        detector.push_to_hub(NAME)
        assert download_error(revision="v9") == f"{NAME}: no revision 'v9'; expected a branch, a tag or a commit"

    def test_other_model_is_not_downloaded(self, hub: "LocalHub") -> None:
        hub.make(NAME, {"config.json": b"{}", "model.safetensors": bytes(1000)})
        assert download_error() == f"{NAME}: not a zhenwei detector: it has no detector.json"
        assert not [line for line in hub.requests if "model.safetensors" in line]

    @pytest.mark.parametrize("name", ["", "a/b/c", "newsroom/ru mours", "newsroom/--", "../etc", "newsroom/a..b"])
    def test_invalid_name(self, hub: "LocalHub", name: str) -> None:
        assert download_error(name).startswith(f"'{name}': not a valid repository name; expected USER/NAME")
        assert hub.requests == []

    def test_no_network(self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as taken:  # bound, but not listening
            taken.bind(("127.0.0.1", 0))
            nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nowhere)
            monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # the library retries
            monkeypatch.setattr(
                "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
                nowhere + "/{repo_id}/resolve/{revision}/{filename}",
            )
            assert download_error() == f"{NAME}: cannot reach {nowhere}; check the network, and try again"

    def test_offline(self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert download_error().startswith(f"{NAME}: not in the hub's cache, and HF_HUB_OFFLINE forbids the network")
        assert hub.requests == []

    @pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
    def test_changed_file_is_detected(self, hub: "LocalHub", detector: Detector, file: str) -> None:
        detector.push_to_hub(NAME)
        files = hub.files(NAME)
        hub.repos[NAME].commit("main", files | {file: files[file] + b" "}, "changed")
        assert f"{file}: damaged: it is not the file that was saved (sha256 differs)" in download_error()

    def test_missing_file_is_detected(self, hub: "LocalHub", detector: Detector) -> None:
        detector.push_to_hub(NAME)
        files = {name: content for name, content in hub.files(NAME).items() if name != "tokenizer.json"}
        hub.repos[NAME].commit("main", files, "taken away")
        assert download_error().endswith("damaged bundle: tokenizer.json is missing")


class TestPush:
    def test_without_a_token(self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_TOKEN")
        assert push_error(detector) == (
            f"{NAME}: not allowed (Invalid username or password.); log in with `hf auth login`, or set HF_TOKEN, with "
            "a token that permits this"
        )
        assert hub.repos == {}

    @pytest.mark.parametrize("name", ["bad name", "a/b/c", "others/rumours"])
    def test_refusal_precedes_the_evaluation(
        self, hub: "LocalHub", detector: Detector, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        push_error(detector, name)
        assert "evaluating" not in caplog.text

    def test_foreign_namespace(self, hub: "LocalHub", detector: Detector) -> None:
        assert "not allowed (You don't have the rights" in push_error(detector, "others/rumours")

    def test_read_only_repository(self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.make("others/rumours", {})
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
        assert "others/rumours: not allowed (" in push_error(detector, "others/rumours")
        assert hub.files("others/rumours") == {}

    def test_other_model_is_not_overwritten(self, hub: "LocalHub", detector: Detector) -> None:
        files = {"config.json": b"{}", "model.safetensors": b"weights"}
        hub.make(NAME, files)
        assert push_error(detector) == (
            f"{NAME}: contains something else: it has config.json, but no detector.json; push to another repository"
        )
        assert hub.files(NAME) == files

    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ({"pytorch_model.bin": b"weights"}, "pytorch_model.bin"),
            ({"data/train.csv": b"text,label", "LICENSE": b"CC0"}, "data/train.csv"),
        ],
    )
    def test_other_content_is_not_overwritten(
        self, hub: "LocalHub", detector: Detector, files: dict[str, bytes], found: str
    ) -> None:
        hub.make(NAME, files)
        assert push_error(detector) == (
            f"{NAME}: contains something else: it has {found}, but no detector.json; push to another repository"
        )
        assert hub.files(NAME) == files

    def test_refused_push_creates_no_branch(self, hub: "LocalHub", detector: Detector) -> None:
        hub.make(NAME, {"model.bin": b"weights"})
        assert "contains something else" in push_error(detector, revision="next")
        assert set(hub.repos[NAME].branches) == {"main"}

    def test_concurrent_push_is_not_overwritten(
        self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from zhenwei.inference.hub import hub as hub_module  # noqa: PLC0415

        collect_files = hub_module.collect_files

        def collect_during_a_push(*arguments: Any, **options: Any) -> Any:
            hub.repos[NAME].commit("main", {"detector.json": b"theirs"}, "meanwhile")
            return collect_files(*arguments, **options)

        monkeypatch.setattr(hub_module, "collect_files", collect_during_a_push)
        assert push_error(detector) == (
            f"{NAME}: somebody else changed it meanwhile, and nothing was written; push again"
        )
        assert hub.files(NAME) == {"detector.json": b"theirs"}

    def test_private_push_to_a_public_repository(self, hub: "LocalHub", detector: Detector) -> None:
        hub.make(NAME, {})
        assert push_error(detector, private=True).startswith(f"{NAME}: is public, but --private")
        assert hub.files(NAME) == {}

    def test_invalid_metadata_of_the_card(self, hub: "LocalHub", own_run: Path) -> None:
        card = own_run / "checkpoints/best/README.md"
        card.write_text("---\nlicense: [1]\n---\n# Mine\n", encoding="utf-8")
        assert push_error(Detector.load(own_run, "cpu")) == (
            "README.md: the hub does not accept its metadata: Invalid metadata in README.md. - "
            '"license" must be a string'
        )

    def test_failing_hub(self, hub: "LocalHub", detector: Detector) -> None:
        hub.failure = 500
        assert "refused (we are down for maintenance); try again later" in push_error(detector)

    def test_offline(self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert push_error(detector).startswith(f"{NAME}: not in the hub's cache, and HF_HUB_OFFLINE forbids")

    def test_folder_with_another_detector(self, hub: "LocalHub", own_run: Path, detector: Detector) -> None:
        detector.bundle.threshold = 0.123
        assert push_error(detector).endswith("no longer the detector that was loaded from it; load it again")
        assert hub.repos == {}

    def test_deleted_folder(self, hub: "LocalHub", own_run: Path, detector: Detector) -> None:
        shutil.rmtree(own_run)
        assert push_error(detector).endswith("no longer the detector that was loaded from it; load it again")


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("/home/lin/posts/train.json", "train.json"),
        ("~/posts/train.json", "train.json"),
        ("C:\\Users\\lin\\train.json", "train.json"),
        ("../../clients/acme/posts", "posts"),
        ("..\\acme\\posts", "posts"),
        ("file:///home/lin/posts", "posts"),
        ("$HOME/lin/posts", "posts"),
        ("data/train.json", "data/train.json"),
        ("hfl/chinese-bert", "hfl/chinese-bert"),
        ({"root_path": "/home/lin/posts", "max_len": 170}, {"root_path": "posts", "max_len": 170}),
        (["/a/b.csv", None, 1.5], ["b.csv", None, 1.5]),
        ("/", "/"),
    ],
)
def test_paths_are_cut_to_their_last_component(path: object, stripped: object) -> None:
    assert strip_paths(path) == stripped
