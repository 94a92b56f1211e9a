"""Tokenizers of pretrained models: from folders, and what is said when there is none."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from zhenwei.errors import PretrainedModelError
from zhenwei.tokens.pretrained import load_pretrained
from zhenwei.tokens.tokenizer import SpecialTokens, load_pretrained_tokenizer

BERT_VOCABULARY = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "大", "蒜", "vir", "##us"])
ROBERTA_VOCABULARY = json.dumps({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "b": 6})
MERGES = "#version: 0.2\n"


def write_model(folder: Path, model_type: str, **files: str) -> str:
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(text)
    return str(folder)


class TestFolder:
    def test_a_vocabulary_and_a_config_are_enough(self, tmp_path: Path) -> None:
        tokenizer = load_pretrained_tokenizer(write_model(tmp_path, "bert", vocab_txt=BERT_VOCABULARY))
        assert tokenizer.special == SpecialTokens()
        assert tokenizer.vocab_size == 9
        encoded = tokenizer.encode_batch(["大蒜Virus"], 10)
        assert encoded.ids.tolist() == [2, 5, 6, 7, 8, 3]
        assert encoded.words.tolist() == [-1, 0, 1, 2, 2, -1]

    def test_roles_are_those_that_the_tokenizer_names(self, tmp_path: Path) -> None:
        folder = write_model(tmp_path, "roberta", vocab_json=ROBERTA_VOCABULARY, merges_txt=MERGES)
        tokenizer = load_pretrained_tokenizer(folder)
        assert tokenizer.special == SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>")
        assert (tokenizer.pad_id, tokenizer.mask_id) == (1, 4)
        assert tokenizer.encode_batch(["ab"], 10).ids.tolist() == [0, 5, 6, 2]

    def test_limits_that_came_with_the_model_are_forgotten(self, tmp_path: Path) -> None:
        tokenizer = load_pretrained_tokenizer(write_model(tmp_path, "bert", vocab_txt=BERT_VOCABULARY))
        tokenizer.backend.enable_truncation(3)
        tokenizer.backend.enable_padding(length=50)
        tokenizer.save(tmp_path / "tokenizer.json")
        again = load_pretrained_tokenizer(str(tmp_path))
        assert (again.backend.truncation, again.backend.padding) == (None, None)

    def test_a_model_without_pad_and_mask_is_refused(self, tmp_path: Path) -> None:
        vocabulary = json.dumps({"<|endoftext|>": 0, "a": 1})
        folder = write_model(tmp_path, "gpt2", vocab_json=vocabulary, merges_txt=MERGES)
        with pytest.raises(PretrainedModelError, match=r"has no pad .* mask token"):
            load_pretrained_tokenizer(folder)

    def test_a_model_without_a_fast_tokenizer_is_refused(self, tmp_path: Path) -> None:
        settings = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"}
        folder = write_model(tmp_path, "bert", vocab_txt=BERT_VOCABULARY, tokenizer_config_json=json.dumps(settings))
        with pytest.raises(PretrainedModelError, match="no fast version"):
            load_pretrained_tokenizer(folder)

    def test_a_config_without_a_vocabulary_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PretrainedModelError, match="vocabulary is missing"):
            load_pretrained_tokenizer(write_model(tmp_path, "bert"))

    def test_a_damaged_tokenizer_is_refused_in_one_message(self, tmp_path: Path) -> None:
        folder = write_model(tmp_path, "bert", tokenizer_json="{")
        with pytest.raises(PretrainedModelError, match="has no readable tokenizer"):
            load_pretrained_tokenizer(folder)

    def test_code_that_comes_with_a_model_is_not_run(self, tmp_path: Path) -> None:
        code = {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}
        folder = write_model(
            tmp_path,
            "unheard-of",
            tokenizer_config_json=json.dumps(code),
            evil_py=f"open({str(tmp_path / 'ran')!r}, 'w')",
        )
        with pytest.raises(PretrainedModelError):
            load_pretrained_tokenizer(folder)
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("written", ["./no-such-folder", "~/no-such-folder", "/no/such-folder"])
    def test_a_path_that_is_not_there_is_not_taken_for_a_name(self, written: str) -> None:
        with pytest.raises(PretrainedModelError, match=r"there is no folder .*no.such.folder"):
            load_pretrained_tokenizer(written)


class _NoSuchModel(BaseHTTPRequestHandler):
    """A hub that answers, and has nothing."""

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def empty_hub() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _NoSuchModel)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def message_for(name: str, cache: Path, **environment: str) -> str:
    """Say what loading a name gives, in a process of its own: the hub's library reads its environment once."""
    program = (
        "import sys; from zhenwei.errors import PretrainedModelError\n"
        "from zhenwei.tokens.tokenizer import load_pretrained_tokenizer\n"
        "try: load_pretrained_tokenizer(sys.argv[1]); print('loaded')\n"
        "except PretrainedModelError as error: print(error)"
    )
    settings = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", program, name],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **settings},
        timeout=30,  # left alone, the libraries underneath retry for 46 seconds
    )
    assert "Retrying" not in done.stderr
    return done.stdout.strip()


def is_advice(message: str) -> bool:
    """Return whether the message lists all alternatives in one line."""
    alternatives = (
        "local folder",
        "hf download no-such-org/no-such-model",
        "omit data.tokenizer",
        "set model.use_pretrained_bert to false",
    )
    return "\n" not in message and all(alternative in message for alternative in alternatives)


@pytest.mark.slow
class TestHub:
    @pytest.mark.nightly
    def test_what_the_cache_holds_needs_no_network(self, tmp_path: Path) -> None:
        kept = tmp_path / "hub" / "models--some-org--some-bert"
        for folder in ("refs", "snapshots/0123abc"):
            (kept / folder).mkdir(parents=True)
        (kept / "refs" / "main").write_text("0123abc")
        write_model(kept / "snapshots" / "0123abc", "bert", vocab_txt=BERT_VOCABULARY)
        assert message_for("some-org/some-bert", tmp_path, HF_ENDPOINT="http://127.0.0.1:9") == "loaded"

    @pytest.mark.nightly
    def test_with_a_closed_network_the_message_says_at_once_how_to_go_on(self, tmp_path: Path) -> None:
        message = message_for("no-such-org/no-such-model", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
        assert "the hub cannot be reached" in message
        assert is_advice(message)

    def test_the_offline_mode_of_the_hub_library_is_respected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(PretrainedModelError, match="the hub cannot be reached"):
            load_pretrained_tokenizer("no-such-org/no-such-model")

    @pytest.mark.nightly
    def test_a_name_that_the_hub_does_not_know_is_refused(self, tmp_path: Path, empty_hub: str) -> None:
        message = message_for("no-such-org/no-such-model", tmp_path, HF_ENDPOINT=empty_hub)
        assert "the hub does not provide it" in message
        assert is_advice(message)

    def test_a_model_that_is_a_pickle_alone_is_refused_with_the_way_to_convert_it(self) -> None:
        def load(name: str, local_only: bool) -> None:
            raise OSError(
                f"{name} does not appear to have a file named model.safetensors or model.safetensors.index.json"
            )

        with pytest.raises(PretrainedModelError, match=r"pytorch_model\.bin.*convert it once.*'some-org/some-bert'"):
            load_pretrained("some-org/some-bert", load, what="model", needed="weights")
