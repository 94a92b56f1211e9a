"""What the hub refuses, or cannot do, is one clear sentence."""

import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zhenwei import Detector
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.inference.hub.errors import told_plainly
from zhenwei.inference.hub.upload import without_places

if TYPE_CHECKING:
    from local_hub import LocalHub

NAME = "newsroom/rumours"


def read(name: str = NAME, **settings: str) -> str:
    """Return why a detector cannot be had."""
    with pytest.raises((CheckpointError, ConfigError)) as found:
        Detector.from_hub(name, **settings)
    return one_sentence(found.value)


def written(detector: Detector, name: str = NAME, **settings: Any) -> str:
    """Return why a detector cannot be shared."""
    with pytest.raises((CheckpointError, ConfigError)) as found:
        detector.push_to_hub(name, **settings)
    return one_sentence(found.value)


def one_sentence(error: Exception) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.fixture
def detector(own_run: Path) -> Detector:
    return Detector.load(own_run, "cpu")


class TestReading:
    @pytest.mark.parametrize(
        ("status", "why"),
        [(403, "not allowed (we are"), (429, "refused (we are"), (503, "refused (we are")],
    )
    def test_a_hub_that_refuses_is_not_called_out_of_reach(
        self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch, status: int, why: str
    ) -> None:
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # the library tries again
        hub.broken = status
        assert why in read()

    @pytest.mark.parametrize(("writing", "what"), [(True, "upload"), (False, "download")])
    def test_a_transfer_that_breaks_off_is_called_what_it_was(self, writing: bool, what: str) -> None:
        with pytest.raises(CheckpointError, match=f"{NAME}: the {what} broke off"), told_plainly(NAME, writing=writing):
            raise RuntimeError("CAS error")

    def test_a_repository_that_is_not_there(self, hub: "LocalHub") -> None:
        assert read() == (
            f"{NAME}: found no such repository at {hub.url}; check its name, or, if it is private, log in with "
            "`hf auth login`, or set HF_TOKEN"
        )

    def test_a_private_one_looks_to_others_as_if_it_were_not_there(
        self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.make(NAME, {"detector.json": b"{}"}, private=True)
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
        assert "found no such repository" in read()

    def test_a_token_may_be_given(self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        from local_hub import TOKEN  # noqa: PLC0415

        monkeypatch.delenv("HF_TOKEN")
        detector.push_to_hub(NAME, private=True, token=TOKEN)
        assert hub.repos[NAME].private
        assert Detector.from_hub(NAME, token=TOKEN).threshold == detector.threshold

    def test_a_gated_one(self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> None:
        hub.make(NAME, {"detector.json": b"{}"}, gated=True)
        monkeypatch.delenv("HF_TOKEN")
        assert read().startswith(f"{NAME}: its owners let in only whom they know; ask for access on its page")

    def test_a_revision_that_is_not_there(self, hub: "LocalHub", detector: Detector) -> None:
        detector.push_to_hub(NAME)
        assert read(revision="v9") == f"{NAME}: found no revision 'v9'; expected a branch, a tag or a commit"

    def test_another_model_is_not_even_downloaded(self, hub: "LocalHub") -> None:
        hub.make(NAME, {"config.json": b"{}", "model.safetensors": bytes(1000)})
        assert read() == f"{NAME}: holds no detector of zhenwei: it has no detector.json"
        assert not [line for line in hub.asked if "model.safetensors" in line]

    @pytest.mark.parametrize("name", ["", "a/b/c", "newsroom/ru mours", "newsroom/--", "../etc", "newsroom/a..b"])
    def test_a_name_that_is_none(self, hub: "LocalHub", name: str) -> None:
        assert read(name).startswith(f"'{name}': no name of a repository on the hub; expected USER/NAME")
        assert hub.asked == []

    def test_no_network(self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as taken:  # bound, and nobody listens
            taken.bind(("127.0.0.1", 0))
            nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nowhere)
            monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # the library tries 6 times
            monkeypatch.setattr(
                "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
                nowhere + "/{repo_id}/resolve/{revision}/{filename}",
            )
            assert read() == f"{NAME}: {nowhere} cannot be reached; check the network, and try again"

    def test_offline(self, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert read().startswith(f"{NAME}: HF_HUB_OFFLINE forbids the network, and this is not in the hub's cache")
        assert hub.asked == []

    @pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
    def test_files_that_were_changed_there_are_found_out(self, hub: "LocalHub", detector: Detector, file: str) -> None:
        detector.push_to_hub(NAME)
        files = hub.files(NAME)
        hub.repos[NAME].commit("main", files | {file: files[file] + b" "}, "changed")
        assert f"{file}: damaged: it is not the file that was saved (sha256 differs)" in read()

    def test_files_that_were_taken_away_there_are_missed(self, hub: "LocalHub", detector: Detector) -> None:
        detector.push_to_hub(NAME)
        files = {name: content for name, content in hub.files(NAME).items() if name != "tokenizer.json"}
        hub.repos[NAME].commit("main", files, "taken away")
        assert read().endswith("damaged bundle: tokenizer.json is missing")


class TestWriting:
    def test_without_a_token(self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_TOKEN")
        assert written(detector) == (
            f"{NAME}: not allowed (Invalid username or password.); log in with `hf auth login`, or set HF_TOKEN, with "
            "a token that may do this"
        )
        assert hub.repos == {}

    @pytest.mark.parametrize("name", ["bad name", "a/b/c", "others/rumours"])
    def test_it_is_refused_before_anything_is_judged_for_the_card(
        self, hub: "LocalHub", detector: Detector, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        written(detector, name)
        assert "judging" not in caplog.text

    def test_somebody_else_s_name(self, hub: "LocalHub", detector: Detector) -> None:
        assert "not allowed (You don't have the rights" in written(detector, "others/rumours")

    def test_a_repository_that_one_may_only_read(
        self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.make("others/rumours", {})
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
        assert "others/rumours: not allowed (" in written(detector, "others/rumours")
        assert hub.files("others/rumours") == {}

    def test_another_model_is_not_written_over(self, hub: "LocalHub", detector: Detector) -> None:
        files = {"config.json": b"{}", "model.safetensors": b"weights"}
        hub.make(NAME, files)
        assert written(detector) == (
            f"{NAME}: holds something else: it has a config.json, but no detector.json; push to another repository"
        )
        assert hub.files(NAME) == files

    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ({"pytorch_model.bin": b"weights"}, "pytorch_model.bin"),
            ({"data/train.csv": b"text,label", "LICENSE": b"CC0"}, "data/train.csv"),
            ({"README.md": b"---\nlicense: mit\n---\n# A model of mine\n"}, "README.md"),
        ],
    )
    def test_whatever_somebody_keeps_there_is_left_alone(
        self, hub: "LocalHub", detector: Detector, files: dict[str, bytes], found: str
    ) -> None:
        hub.make(NAME, files)
        assert written(detector) == (
            f"{NAME}: holds something else: it has a {found}, but no detector.json; push to another repository"
        )
        assert hub.files(NAME) == files

    def test_a_refused_push_leaves_no_branch(self, hub: "LocalHub", detector: Detector) -> None:
        hub.make(NAME, {"model.bin": b"weights"})
        assert "holds something else" in written(detector, revision="next")
        assert set(hub.repos[NAME].branches) == {"main"}

    def test_what_somebody_else_pushes_meanwhile_is_not_written_over(
        self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from zhenwei.inference.hub import hub as sharing  # noqa: PLC0415

        gather = sharing.shared_files

        def gather_while_somebody_pushes(*given: Any, **more: Any) -> Any:
            hub.repos[NAME].commit("main", {"detector.json": b"theirs"}, "meanwhile")
            return gather(*given, **more)

        monkeypatch.setattr(sharing, "shared_files", gather_while_somebody_pushes)
        assert written(detector) == (f"{NAME}: somebody else changed it meanwhile, and nothing was written; push again")
        assert hub.files(NAME) == {"detector.json": b"theirs"}

    def test_what_shall_be_private_is_not_shown_in_a_public_repository(
        self, hub: "LocalHub", detector: Detector
    ) -> None:
        hub.make(NAME, {})
        assert written(detector, private=True).startswith(f"{NAME}: is public already")
        assert hub.files(NAME) == {}

    def test_a_head_of_the_card_that_the_hub_does_not_take(self, hub: "LocalHub", own_run: Path) -> None:
        card = own_run / "checkpoints/best/README.md"
        card.write_text("---\nlicense: [1]\n---\n# Mine\n", encoding="utf-8")
        assert written(Detector.load(own_run, "cpu")) == (
            'README.md: the hub does not take its head: Invalid metadata in README.md. - "license" must be a string'
        )

    def test_a_hub_that_is_down(self, hub: "LocalHub", detector: Detector) -> None:
        hub.broken = 500
        assert "refused (we are down for maintenance); try again later" in written(detector)

    def test_offline(self, hub: "LocalHub", detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert written(detector).startswith(f"{NAME}: HF_HUB_OFFLINE forbids the network")

    def test_a_folder_that_holds_another_detector_by_now(
        self, hub: "LocalHub", own_run: Path, detector: Detector
    ) -> None:
        detector.bundle.threshold = 0.123
        assert written(detector).endswith("no longer the detector that was loaded from it; load it again")
        assert hub.repos == {}

    def test_a_folder_that_is_gone(self, hub: "LocalHub", own_run: Path, detector: Detector) -> None:
        shutil.rmtree(own_run)
        assert written(detector).endswith("no longer the detector that was loaded from it; load it again")


@pytest.mark.parametrize(
    ("told", "shared"),
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
def test_absolute_paths_are_cut_to_their_names(told: object, shared: object) -> None:
    assert without_places(told) == shared
