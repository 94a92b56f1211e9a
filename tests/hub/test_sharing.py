"""Push a detector to a hub and load it from there; nothing of the local machine is uploaded."""

import json
import logging
import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import ModelCard

from zhenwei import Detector
from zhenwei.bundle.bundle import save_bundle
from zhenwei.bundle.card.signature import is_complete
from zhenwei.inference.known_articles import add_known_articles

pytestmark = pytest.mark.slow  # a server, whole uploads

if TYPE_CHECKING:
    from local_hub import LocalHub

NAME = "newsroom/rumours"
TEXTS = ["听说云溪的大蒜出大事了，内部消息，赶紧转给家人！", "据东河通报，食盐检测合格，供应恢复正常。"]
BUNDLE = {"README.md", "config.json", "detector.json", "model.safetensors", "tokenizer.json"}


class TestRoundTrip:
    def test_predictions_are_equal(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        detector.push_to_hub(NAME)
        loaded = Detector.from_hub(NAME, device="cpu")
        assert loaded.predict(TEXTS) == detector.predict(TEXTS)
        assert loaded.bundle.calibration == detector.bundle.calibration

    def test_large_files_are_sent_by_lfs(self, hub: "LocalHub", own_run: Path) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        assert [line for line in hub.requests if line.startswith("PUT /lfs/")] != []
        assert hub.files(NAME)["model.safetensors"] == (own_run / "checkpoints/best/model.safetensors").read_bytes()

    def test_result_describes_the_commit(self, hub: "LocalHub", own_run: Path) -> None:
        pushed = Detector.load(own_run, "cpu").push_to_hub(NAME, commit_message="For tomorrow's news")
        assert pushed.url == f"{hub.url}/{NAME}"
        assert pushed.repo_id == NAME
        assert pushed.commit == hub.repos[NAME].branches["main"]
        assert set(pushed.files) == BUNDLE
        assert hub.repos[NAME].messages[-1] == "For tomorrow's news"

    def test_default_namespace_is_the_users(self, hub: "LocalHub", own_run: Path) -> None:
        assert Detector.load(own_run, "cpu").push_to_hub("rumours").repo_id == NAME

    def test_commit_id_loads_that_detector(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        first = detector.push_to_hub(NAME).commit
        changed = Detector.load(own_run, "cpu")
        changed.bundle.threshold = 0.9
        save_bundle(changed.bundle, own_run / "checkpoints" / "best")
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        assert Detector.from_hub(NAME).threshold == 0.9
        assert Detector.from_hub(NAME, revision=first).threshold == detector.threshold

    def test_missing_branch_is_created(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        for _ in range(2):
            assert detector.push_to_hub(NAME, revision="next").revision == "next"
        assert set(hub.files(NAME)) == {".gitattributes"}
        assert Detector.from_hub(NAME, revision="next").predict(TEXTS) == detector.predict(TEXTS)

    def test_cached_detector_loads_offline(
        self, hub: "LocalHub", own_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        online = Detector.from_hub(NAME)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        hub.requests.clear()
        assert Detector.from_hub(NAME).predict(TEXTS) == online.predict(TEXTS)
        assert hub.requests == []

    def test_downloaded_detector_can_be_pushed(self, hub: "LocalHub", own_run: Path) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        Detector.from_hub(NAME).push_to_hub("newsroom/again")
        assert hub.files("newsroom/again") == hub.files(NAME)

    def test_detector_without_a_folder_can_be_pushed(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector(Detector.load(own_run, "cpu").bundle, "cpu")
        detector.push_to_hub(NAME)
        assert Detector.from_hub(NAME).predict(TEXTS) == detector.predict(TEXTS)

    @pytest.mark.nightly
    def test_exported_detector_replaces_its_bundle(self, hub: "LocalHub", own_run: Path, tmp_path: Path) -> None:
        from zhenwei.inference.onnx.export import export_onnx  # noqa: PLC0415

        Detector.load(own_run, "cpu").push_to_hub(NAME)
        export_onnx(own_run, tmp_path / "exported")
        exported = Detector.load(tmp_path / "exported")
        exported.push_to_hub(NAME)
        assert set(hub.files(NAME)) == BUNDLE - {"model.safetensors"} | {"model.onnx", ".gitattributes"}
        assert "## ONNX export" in hub.files(NAME)["README.md"].decode()
        assert Detector.from_hub(NAME).predict(TEXTS) == exported.predict(TEXTS)


class TestContents:
    def test_other_files_of_the_folder_are_omitted(self, hub: "LocalHub", own_run: Path) -> None:
        bundle = own_run / "checkpoints" / "best"
        (bundle / "optimizer.pkl").write_bytes(b"\x80\x04.")
        (bundle / "notes.txt").write_text("call the editor")
        pushed = Detector.load(bundle, "cpu").push_to_hub(NAME)
        assert set(hub.files(NAME)) == BUNDLE | {".gitattributes"}
        assert set(pushed.omitted) == {"optimizer.pkl", "notes.txt"}

    def test_no_folder_of_this_machine_is_uploaded(self, hub: "LocalHub", own_run: Path, data_folder: Path) -> None:
        assert str(data_folder) in (own_run / "checkpoints/best/config.json").read_text(encoding="utf-8")
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        uploaded = b"".join(hub.files(NAME).values())
        for folder in (data_folder, own_run, Path.home()):
            assert str(folder).encode() not in uploaded
        files = json.loads(hub.files(NAME)["detector.json"])["facts"]["files"]
        assert files["train"]["path"] == "train.json"

    def test_relative_folders_are_stripped(
        self, hub: "LocalHub", own_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundle = own_run / "checkpoints" / "best"
        settings = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
        settings["data"] |= {"root_path": "clients/acme/posts", "train": "../clients/acme/train.json"}
        settings["output"]["dir"] = "runs/acme/one"
        content = json.dumps(settings).encode()
        (bundle / "config.json").write_bytes(content)
        manifest = json.loads((bundle / "detector.json").read_text(encoding="utf-8"))
        manifest["sha256"]["config.json"] = sha256(content).hexdigest()
        manifest["facts"]["files"]["train"]["path"] = "clients/acme/train.json"
        (bundle / "detector.json").write_text(json.dumps(manifest), encoding="utf-8")
        Detector.load(bundle, "cpu").push_to_hub(NAME)
        assert b"acme" not in b"".join(hub.files(NAME).values())
        assert json.loads(hub.files(NAME)["config.json"])["data"]["train"] == "train.json"

    def test_known_articles_are_uploaded_only_on_request(
        self, hub: "LocalHub", own_run: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        add_known_articles(own_run)
        detector = Detector.load(own_run, "cpu")
        with caplog.at_level(logging.WARNING):
            pushed = detector.push_to_hub(NAME)
        assert "similar.safetensors: known articles are not uploaded" in caplog.text
        assert pushed.omitted == ("similar.safetensors",)
        assert not Detector.from_hub(NAME).has_neighbours
        detector.push_to_hub(NAME, include_known_articles=True)
        assert Detector.from_hub(NAME).neighbours(TEXTS[0]) == detector.neighbours(TEXTS[0])

    def test_known_articles_are_deleted_by_a_push_without_them(self, hub: "LocalHub", own_run: Path) -> None:
        add_known_articles(own_run)
        detector = Detector.load(own_run, "cpu")
        detector.push_to_hub(NAME, include_known_articles=True)
        assert "similar.safetensors" in hub.files(NAME)
        detector.push_to_hub(NAME)
        assert set(hub.files(NAME)) == BUNDLE | {".gitattributes"}

    def test_license_file_on_the_hub_is_kept(self, hub: "LocalHub", own_run: Path) -> None:
        hub.make(NAME, {"LICENSE": b"CC0", ".gitattributes": b""})
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        assert hub.files(NAME)["LICENSE"] == b"CC0"

    def test_only_files_of_a_bundle_are_downloaded(self, hub: "LocalHub", own_run: Path) -> None:
        Detector.load(own_run, "cpu").push_to_hub(NAME)
        repo = hub.repos[NAME]
        more = {"pytorch_model.bin": b"\x80\x04.", "code.py": b"raise SystemExit", "model.pkl": b"\x80\x04."}
        repo.commit("main", hub.files(NAME) | more, "and a pickle")
        detector = Detector.from_hub(NAME)
        assert detector.folder is not None
        assert {path.name for path in detector.folder.iterdir()} == BUNDLE


class TestCard:
    def test_a_short_card_is_completed(self, hub: "LocalHub", own_run: Path, tiny_run: Path) -> None:
        shutil.copy(tiny_run / "checkpoints/best/README.md", own_run / "checkpoints/best/README.md")
        assert "Not audited" in (own_run / "checkpoints/best/README.md").read_text(encoding="utf-8")
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "generated"
        card = hub.files(NAME)["README.md"].decode()
        assert "On 24 test articles, 12 of them fake, as the detector is used." in card
        assert "`zhenwei data audit` of train, val, test: " in card

    def test_a_missing_card_is_written(self, hub: "LocalHub", own_run: Path) -> None:
        (own_run / "checkpoints/best/README.md").unlink()
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "generated"
        assert is_complete(hub.files(NAME)["README.md"].decode())

    def test_without_the_articles_the_card_is_not_audited(self, hub: "LocalHub", own_run: Path, tmp_path: Path) -> None:
        bundle = own_run / "checkpoints" / "best"
        (bundle / "README.md").unlink()
        manifest = json.loads((bundle / "detector.json").read_text(encoding="utf-8"))
        for file in manifest["facts"]["files"].values():
            file["path"] = str(tmp_path / "elsewhere" / "train.json")
        (bundle / "detector.json").write_text(json.dumps(manifest), encoding="utf-8")
        Detector.load(bundle, "cpu").push_to_hub(NAME)
        card = hub.files(NAME)["README.md"].decode()
        assert "Not audited: its files are missing" in card
        assert "as the detector is used" not in card

    def test_a_card_edited_in_the_bundle_is_pushed(self, hub: "LocalHub", own_run: Path) -> None:
        card = own_run / "checkpoints/best/README.md"
        edited = card.read_text(encoding="utf-8").replace("license: other", "license: cc-by-nc-4.0")
        card.write_text(edited, encoding="utf-8")
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "edited"
        assert hub.files(NAME)["README.md"].decode() == edited

    def test_a_license_is_set_in_an_edited_card(self, hub: "LocalHub", own_run: Path) -> None:
        (own_run / "checkpoints/best/README.md").write_text("---\nlanguage: zh\n---\n# Mine\n", encoding="utf-8")
        assert Detector.load(own_run, "cpu").push_to_hub(NAME, license="mit").card == "edited"
        card = ModelCard(hub.files(NAME)["README.md"].decode())
        assert (card.data.license, card.data.language, card.text) == ("mit", "zh", "# Mine\n")

    def test_a_card_edited_on_the_hub_is_replaced_only_on_request(
        self, hub: "LocalHub", own_run: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        detector = Detector.load(own_run, "cpu")
        detector.push_to_hub(NAME)
        files = hub.files(NAME)
        generated = files["README.md"]
        edited = generated.replace(b"license: other", b"license: mit\nextra_gated_prompt: Who are you?")
        hub.repos[NAME].commit("main", files | {"README.md": edited}, "on the hub's site")
        pushed = detector.push_to_hub(NAME)
        assert pushed.card == "kept"
        assert "README.md" not in pushed.files
        assert hub.files(NAME)["README.md"] == edited
        assert "README.md on the hub was written or edited by a person: kept; --overwrite-card" in caplog.text
        assert detector.push_to_hub(NAME, license="mit", overwrite_card=True).card == "generated"
        card = hub.files(NAME)["README.md"].decode()
        assert is_complete(card)
        assert ModelCard(card).data.to_dict()["extra_gated_prompt"] == "Who are you?"

    def test_a_card_written_on_the_hub_is_replaced_only_on_request(self, hub: "LocalHub", own_run: Path) -> None:
        hub.make(NAME, {"README.md": b"---\nlicense: mit\n---\n# A model of mine\n"})
        detector = Detector.load(own_run, "cpu")
        assert detector.push_to_hub(NAME).card == "kept"
        assert hub.files(NAME)["README.md"] == b"---\nlicense: mit\n---\n# A model of mine\n"
        assert detector.push_to_hub(NAME, overwrite_card=True).card == "generated"
        assert ModelCard(hub.files(NAME)["README.md"].decode()).data.license == "mit"

    def test_a_license_is_kept_by_later_pushes(self, hub: "LocalHub", own_run: Path) -> None:
        detector = Detector.load(own_run, "cpu")
        assert detector.push_to_hub(NAME, license="cc-by-nc-4.0").card == "generated"
        for _ in range(2):
            card = ModelCard(hub.files(NAME)["README.md"].decode())
            assert (card.data.license, card.data.license_name) == ("cc-by-nc-4.0", None)
            assert len(card.data.eval_results) > 0
            assert "The `license` field at the top of this card names the licence" in card.text
            assert is_complete(hub.files(NAME)["README.md"].decode())
            assert detector.push_to_hub(NAME).card == "generated"
        detector.push_to_hub(NAME, license="mit")
        assert ModelCard(hub.files(NAME)["README.md"].decode()).data.license == "mit"

    def test_metadata_of_a_new_repository_is_kept(self, hub: "LocalHub", own_run: Path) -> None:
        hub.make(NAME, {"README.md": b"---\nlicense: cc-by-4.0\nextra_gated_prompt: Who are you?\n---\n"})
        assert Detector.load(own_run, "cpu").push_to_hub(NAME).card == "generated"
        metadata = ModelCard(hub.files(NAME)["README.md"].decode()).data.to_dict()
        assert (metadata["license"], metadata["extra_gated_prompt"]) == ("cc-by-4.0", "Who are you?")
        assert metadata["library_name"] == "zhenwei"
