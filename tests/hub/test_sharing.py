"""A detector shared on a hub and loaded from there: the same detector, and nothing of its maker's machine."""

import json
import logging
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import ModelCard

from zhenwei import Detector
from zhenwei.bundle.bundle import save_bundle
from zhenwei.bundle.card.signature import CardState, state_of
from zhenwei.errors import CheckpointError
from zhenwei.inference.known_articles import add_known_articles

if TYPE_CHECKING:
    from local_hub import LocalHub

NAME = "newsroom/rumours"
TEXTS = ["听说云溪的大蒜出大事了，内部消息，赶紧转给家人！", "据东河通报，食盐检测合格，供应恢复正常。"]
BUNDLE = {"README.md", "config.json", "detector.json", "model.safetensors", "tokenizer.json"}


class TestRoundTrip:
    def test_it_judges_as_before(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        detector.push_to_hub(NAME)
        again = Detector.from_hub(NAME, device="cpu")
        assert again.predict(TEXTS) == detector.predict(TEXTS)
        assert again.bundle.calibration == detector.bundle.calibration

    def test_large_files_go_by_lfs(self, hub: "LocalHub", own_run: Path) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        assert [line for line in hub.asked if line.startswith("PUT /lfs/")] != []
        assert hub.files(NAME)["model.safetensors"] == (own_run / "checkpoints/best/model.safetensors").read_bytes()

    def test_it_says_where_the_detector_is_now(self, hub: "LocalHub", own_run: Path) -> None:
        pushed = Detector.load(own_run, "cpu").push_to_hub(NAME, commit_message="For tomorrow's news")
        assert pushed.url == f"{hub.url}/{NAME}"
        assert pushed.repo_id == NAME
        assert pushed.commit == hub.repos[NAME].branches["main"]
        assert set(pushed.files) == BUNDLE
        assert hub.repos[NAME].messages[-1] == "For tomorrow's news"

    def test_without_a_user_s_name_it_is_the_user_s_own(self, hub: "LocalHub", own_run: Path) -> None:
        assert Detector.load(own_run, "cpu").push_to_hub("rumours").repo_id == NAME

    def test_a_commit_keeps_its_detector(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        first = detector.push_to_hub(NAME).commit
        changed = Detector.load(own_run, "cpu")
        changed.bundle.threshold = 0.9
        save_bundle(changed.bundle, own_run / "checkpoints" / "best")
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        assert Detector.from_hub(NAME).threshold == 0.9
        assert Detector.from_hub(NAME, revision=first).threshold == detector.threshold

    def test_a_branch_is_made_where_it_is_named(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        for _ in range(2):
            assert detector.push_to_hub(NAME, revision="next").revision == "next"
        assert set(hub.files(NAME)) == {".gitattributes"}
        assert Detector.from_hub(NAME, revision="next").predict(TEXTS) == detector.predict(TEXTS)

    def test_what_was_downloaded_is_there_without_a_network(
        self, hub: "LocalHub", own_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        online = Detector.from_hub(NAME)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        hub.asked.clear()
        assert Detector.from_hub(NAME).predict(TEXTS) == online.predict(TEXTS)
        assert hub.asked == []

    def test_a_detector_from_the_hub_can_be_shared_again(self, hub: "LocalHub", own_run: Path) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        Detector.from_hub(NAME).push_to_hub("newsroom/again")
        assert hub.files("newsroom/again") == hub.files(NAME)

    def test_a_detector_without_a_folder_can_be_shared(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector(Detector.load(own_run, "cpu").bundle, "cpu")
        detector.push_to_hub(NAME)
        assert Detector.from_hub(NAME).predict(TEXTS) == detector.predict(TEXTS)

    def test_an_exported_detector_takes_the_place_of_its_bundle(
        self, hub: "LocalHub", own_run: Path, tmp_path: Path
    ) -> None:
        from zhenwei.inference.onnx.export import export_onnx  # noqa: PLC0415

        Detector.load(own_run, "cpu").push_to_hub(NAME)
        export_onnx(own_run, tmp_path / "exported")
        exported = Detector.load(tmp_path / "exported")
        exported.push_to_hub(NAME)
        assert set(hub.files(NAME)) == BUNDLE - {"model.safetensors"} | {"model.onnx", ".gitattributes"}
        assert "## Exported" in hub.files(NAME)["README.md"].decode()
        assert Detector.from_hub(NAME).predict(TEXTS) == exported.predict(TEXTS)


class TestWhatIsShared:
    def test_a_graph_of_an_older_export_goes_without_what_it_tells_of_its_maker(
        self, hub: "LocalHub", own_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from zhenwei.inference.onnx import graph as onnx_export_graph  # noqa: PLC0415
        from zhenwei.inference.onnx.export import export_onnx  # noqa: PLC0415

        monkeypatch.setattr(onnx_export_graph, "clear_traces", lambda model: None)  # as it once was
        export_onnx(own_run, tmp_path / "exported")
        assert b"stack_trace" in (tmp_path / "exported/model.onnx").read_bytes()
        exported = Detector.load(tmp_path / "exported")
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "onnx", None)  # the extra is not installed
            with pytest.raises(CheckpointError, match="names folders of the machine that exported it; export it again"):
                exported.push_to_hub(NAME)
        exported.push_to_hub(NAME)
        assert b"stack_trace" not in hub.files(NAME)["model.onnx"]
        assert Detector.from_hub(NAME).predict(TEXTS) == exported.predict(TEXTS)

    def test_what_merely_lies_in_the_folder_stays_here(self, hub: "LocalHub", own_bundle: Path) -> None:
        (own_bundle / "optimizer.pkl").write_bytes(b"\x80\x04.")
        (own_bundle / "notes.txt").write_text("call the editor")
        pushed = Detector.load(own_bundle, "cpu").push_to_hub(NAME)
        assert set(hub.files(NAME)) == BUNDLE | {".gitattributes"}
        assert set(pushed.left_out) == {"optimizer.pkl", "notes.txt"}

    def test_no_folder_of_this_machine_is_named(self, hub: "LocalHub", own_run: Path, data_folder: Path) -> None:
        assert str(data_folder) in (own_run / "checkpoints/best/config.json").read_text(encoding="utf-8")
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        shared = b"".join(hub.files(NAME).values())
        for place in (data_folder, own_run, Path.home()):
            assert str(place).encode() not in shared
        files = json.loads(hub.files(NAME)["detector.json"])["facts"]["files"]
        assert files["train"]["path"] == "train.json"

    def test_relative_folders_and_their_names_stay_here(
        self, hub: "LocalHub", own_bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = json.loads((own_bundle / "config.json").read_text(encoding="utf-8"))
        settings["data"] |= {"root_path": "clients/acme/posts", "train": "../clients/acme/train.json"}
        settings["output"]["dir"] = "runs/acme/one"
        content = json.dumps(settings).encode()
        (own_bundle / "config.json").write_bytes(content)
        described = json.loads((own_bundle / "detector.json").read_text(encoding="utf-8"))
        described["sha256"]["config.json"] = sha256(content).hexdigest()
        described["facts"]["files"]["train"]["path"] = "clients/acme/train.json"
        (own_bundle / "detector.json").write_text(json.dumps(described), encoding="utf-8")
        Detector.load(own_bundle, "cpu").push_to_hub(NAME)
        assert b"acme" not in b"".join(hub.files(NAME).values())
        assert json.loads(hub.files(NAME)["config.json"])["data"]["train"] == "train.json"

    def test_known_articles_stay_here_unless_they_are_asked_for(
        self, hub: "LocalHub", own_run: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        add_known_articles(own_run)
        detector = Detector.load(own_run, "cpu")
        with caplog.at_level(logging.WARNING):
            pushed = detector.push_to_hub(NAME)
        assert "similar.safetensors: the known articles stay here" in caplog.text
        assert pushed.left_out == ("similar.safetensors",)
        assert not Detector.from_hub(NAME).has_neighbours
        detector.push_to_hub(NAME, include_known_articles=True)
        assert Detector.from_hub(NAME).neighbours(TEXTS[0]) == detector.neighbours(TEXTS[0])

    def test_texts_that_were_shared_go_with_the_next_push(self, hub: "LocalHub", own_run: Path) -> None:
        add_known_articles(own_run)
        detector = Detector.load(own_run, "cpu")
        detector.push_to_hub(NAME, include_known_articles=True)
        assert "similar.safetensors" in hub.files(NAME)
        detector.push_to_hub(NAME)
        assert set(hub.files(NAME)) == BUNDLE | {".gitattributes"}

    def test_what_others_keep_there_stays_there(self, hub: "LocalHub", own_run: Path) -> None:
        hub.make(NAME, {"LICENSE": b"CC0", ".gitattributes": b""})
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        assert hub.files(NAME)["LICENSE"] == b"CC0"

    def test_only_a_bundle_s_files_are_downloaded(self, hub: "LocalHub", own_run: Path) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        repo = hub.repos[NAME]
        more = {"pytorch_model.bin": b"\x80\x04.", "code.py": b"raise SystemExit", "model.pkl": b"\x80\x04."}
        repo.commit("main", hub.files(NAME) | more, "and a pickle")
        detector = Detector.from_hub(NAME)
        assert detector.folder is not None
        assert {path.name for path in detector.folder.iterdir()} == BUNDLE


class TestCard:
    def test_it_is_completed_when_it_is_shared(self, hub: "LocalHub", own_run: Path) -> None:
        assert "Not audited" in (own_run / "checkpoints/best/README.md").read_text(encoding="utf-8")
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "whole"
        card = hub.files(NAME)["README.md"].decode()
        assert "On 24 articles of test, 12 of them fake, as the detector is used." in card
        assert "`zhenwei data audit` of train, val, test: " in card

    def test_one_that_somebody_edited_is_shared_as_it_is(self, hub: "LocalHub", own_run: Path) -> None:
        card = own_run / "checkpoints/best/README.md"
        edited = card.read_text(encoding="utf-8").replace("license: other", "license: cc-by-nc-4.0")
        card.write_text(edited, encoding="utf-8")
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "edited"
        assert hub.files(NAME)["README.md"].decode() == edited

    def test_one_that_was_edited_on_the_hub_stays(
        self, hub: "LocalHub", own_run: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        detector = Detector.load(own_run, "cpu")
        detector.push_to_hub(NAME)
        files = hub.files(NAME)
        edited = files["README.md"].replace(b"license: other", b"license: mit\nextra_gated_prompt: Who are you?")
        hub.repos[NAME].commit("main", files | {"README.md": edited}, "on the hub's site")
        pushed = detector.push_to_hub(NAME)
        assert pushed.card == "edited there"
        assert "README.md" not in pushed.files
        assert hub.files(NAME)["README.md"] == edited
        assert f"{NAME}: its README.md was edited on the hub, and stays as it is" in caplog.text

    def test_a_licence_is_set_and_stays_when_the_card_is_replaced(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        assert detector.push_to_hub(NAME, license="cc-by-nc-4.0").card == "whole"
        for _ in range(2):
            card = ModelCard(hub.files(NAME)["README.md"].decode())
            assert (card.data.license, card.data.license_name) == ("cc-by-nc-4.0", None)
            assert len(card.data.eval_results) > 0
            assert "The licence of this detector is `cc-by-nc-4.0`. The terms of the training articles" in card.text
            assert state_of(str(hub.files(NAME)["README.md"].decode())) is CardState.WHOLE
            assert detector.push_to_hub(NAME).card == "whole"
        detector.push_to_hub(NAME, license="mit")
        assert "The licence of this detector is `mit`." in hub.files(NAME)["README.md"].decode()

    def test_what_was_chosen_when_the_repository_was_made_stays(self, hub: "LocalHub", own_run: Path) -> None:
        hub.make(NAME, {"README.md": b"---\nlicense: cc-by-4.0\nextra_gated_prompt: Who are you?\n---\n"})
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "whole"
        head = ModelCard(hub.files(NAME)["README.md"].decode()).data.to_dict()
        assert (head["license"], head["extra_gated_prompt"]) == ("cc-by-4.0", "Who are you?")
        assert head["library_name"] == "zhenwei"

    def test_one_that_was_edited_before_it_was_complete_is_told_of(
        self, hub: "LocalHub", own_run: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        card = own_run / "checkpoints/best/README.md"
        card.write_text(card.read_text(encoding="utf-8").replace("fake", "false"), encoding="utf-8")
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        assert "was edited before it was complete, and lacks the scores and the audit of a whole card" in caplog.text

    def test_one_that_is_gone_is_written_anew(self, hub: "LocalHub", own_run: Path) -> None:
        (own_run / "checkpoints/best/README.md").unlink()
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "whole"

    def test_without_the_articles_it_says_that_it_is_not_audited(
        self, hub: "LocalHub", own_bundle: Path, tmp_path: Path
    ) -> None:
        alone = Path(shutil.copytree(own_bundle, tmp_path / "alone"))
        description = json.loads((alone / "detector.json").read_text(encoding="utf-8"))
        for each in description["facts"]["files"].values():
            each["path"] = str(tmp_path / "elsewhere" / "train.json")
        (alone / "detector.json").write_text(json.dumps(description), encoding="utf-8")
        Detector.load(alone, "cpu").push_to_hub(NAME)
        card = hub.files(NAME)["README.md"].decode()
        assert "Not audited: its files are no longer at hand" in card
        assert "as the detector is used" not in card
