"""Checkpoints restore everything that changes, and refuse what would change the result of the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from zhenwei import Trainer
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, TrainingError
from zhenwei.training.checkpoints import load_checkpoint, save_checkpoint
from zhenwei.training.loop import train_steps
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import Progress, TrainState

DATA: dict[str, str | None] = {"train": "a", "val": "b", "test": None}
FILES = ("network.safetensors", "optimizer.safetensors", "random.safetensors", "state.json")
Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def config(plain_config: Callable[..., Config]) -> Config:
    return plain_config(epochs=2)


class TestRoundTrip:
    @pytest.mark.parametrize("scaled", [True, False])
    def test_everything_that_changes_in_training_is_restored(
        self, config: Config, make_plan: Callable[..., TrainingPlan], make_train_state: Callable[..., TrainState],
        tmp_path: Path, scaled: bool,
    ) -> None:  # fmt: skip
        state, again = make_train_state(config), make_train_state(config)
        if scaled:
            state.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=5)
            again.accelerator.scaler = torch.amp.GradScaler("cpu")
        for _ in train_steps(state.network, state, make_plan(config), epoch=0):
            pass
        progress = Progress(1, 2, 12, loss_sum=0.1 + 0.2, n_texts=16, unlogged_losses=[1 / 3], stopping={"best": 0.1})
        save_checkpoint(tmp_path / "last", state, progress, config, DATA)
        drawn = torch.rand(3)
        with torch.no_grad():
            again.network.mlp.layers[0].weight.zero_()

        assert load_checkpoint(tmp_path / "last", again, config, DATA) == progress
        assert torch.equal(torch.rand(3), drawn)
        assert again.schedule.get_last_lr() == state.schedule.get_last_lr()
        assert [group["lr"] for group in again.optimizer.param_groups] == state.schedule.get_last_lr()
        for (name, weight), (_, other) in zip(
            state.network.named_parameters(), again.network.named_parameters(), strict=True
        ):
            assert torch.equal(weight, other), name
            assert state.optimizer.state[weight].keys() == again.optimizer.state[other].keys()
            for key, moment in state.optimizer.state[weight].items():
                assert torch.equal(moment, again.optimizer.state[other][key]), (name, key)
        if scaled:
            assert again.accelerator.scaler.state_dict() == state.accelerator.scaler.state_dict()
            assert again.accelerator.scaler.get_scale() > 8.0

    def test_weights_that_are_not_finite_do_not_replace_a_good_checkpoint(
        self, config: Config, make_train_state: Callable[..., TrainState], tmp_path: Path
    ) -> None:
        state = make_train_state(config)
        save_checkpoint(tmp_path / "last", state, Progress(step=1), config, DATA)
        with torch.no_grad():
            state.network.norm.bias[0] = torch.nan
        with pytest.raises(TrainingError, match=r"the weights in norm\.bias are no longer finite"):
            save_checkpoint(tmp_path / "last", state, Progress(step=2), config, DATA)
        assert load_checkpoint(tmp_path / "last", make_train_state(config), config, DATA).step == 1


class TestFrozenWeights:
    """They never change, and may be most of a checkpoint."""

    @pytest.fixture
    def state(self, config: Config, make_train_state: Callable[..., TrainState]) -> TrainState:
        state = make_train_state(config)
        state.network.get_parameter("embedding.table.weight").requires_grad_(False)
        return state

    def test_only_the_first_checkpoint_writes_them(self, config: Config, state: TrainState, tmp_path: Path) -> None:
        frozen, written = tmp_path / "last" / "frozen.safetensors", set()
        for step in range(3):
            with torch.no_grad():
                state.network.mlp.layers[0].weight.fill_(step)
            save_checkpoint(tmp_path / "last", state, Progress(step=step), config, DATA)
            written.add((frozen.stat().st_ino, frozen.stat().st_mtime_ns))
        assert len(written) == 1
        assert set(load_file(frozen)) == {"embedding.table.weight"}
        assert "embedding.table.weight" not in load_file(tmp_path / "last" / "network.safetensors")

    def test_they_are_restored(
        self, config: Config, state: TrainState, make_train_state: Callable[..., TrainState], tmp_path: Path
    ) -> None:
        for step in range(2):
            save_checkpoint(tmp_path / "last", state, Progress(step=step), config, DATA)
        again = make_train_state(config)
        with torch.no_grad():
            for weight in again.network.parameters():
                weight.zero_()
        assert load_checkpoint(tmp_path / "last", again, config, DATA).step == 1
        for name, value in state.network.state_dict().items():
            assert torch.equal(again.network.state_dict()[name], value), name

    def test_without_hard_links_they_are_written_again(
        self, config: Config, state: TrainState, make_train_state: Callable[..., TrainState], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("os.link", refuse)
        for step in range(2):
            save_checkpoint(tmp_path / "last", state, Progress(step=step), config, DATA)
        assert load_checkpoint(tmp_path / "last", make_train_state(config), config, DATA).step == 1

    def test_without_their_file_a_checkpoint_is_refused(
        self, config: Config, state: TrainState, make_train_state: Callable[..., TrainState], tmp_path: Path
    ) -> None:
        save_checkpoint(tmp_path / "last", state, Progress(), config, DATA)
        (tmp_path / "last" / "frozen.safetensors").unlink()
        with pytest.raises(CheckpointError, match=r"not of this network: .*embedding\.table\.weight"):
            load_checkpoint(tmp_path / "last", make_train_state(config), config, DATA)


class TestRefusal:
    def resume(self, settings: dict[str, Any]) -> str:
        """Try to resume a run, and return the error message, one line."""
        run = Path(settings["output"]["dir"])
        before = (run / "config.json").read_text()
        with pytest.raises(CheckpointError) as error:
            Trainer(settings, resume=True).train()
        assert (run / "config.json").read_text() == before  # what is refused changes nothing
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_another_setting_is_named_with_both_values(self, own_run: Path, tiny_settings: Settings) -> None:
        message = self.resume(tiny_settings(own_run, training={"lr": 0.5}))
        assert "started with training.lr = 0.02, found 0.5" in message
        message = self.resume(tiny_settings(own_run) | {"seed": 1})
        assert "started with seed = 2021, found 1" in message

    def test_changed_articles_are_named_by_their_part(
        self, own_run: Path, tiny_settings: Settings, make_posts: Callable[..., list[dict[str, Any]]], tmp_path: Path
    ) -> None:
        (tmp_path / "val.json").write_text(json.dumps(make_posts(30, seed=9)))
        message = self.resume(tiny_settings(own_run, data={"val": str(tmp_path / "val.json")}))
        assert "the articles of val have changed" in message

    @pytest.mark.parametrize("version", [0, 2, None])
    def test_another_format_is_named(self, own_run: Path, tiny_settings: Settings, version: Any) -> None:
        path = own_run / "checkpoints" / "last" / "state.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": version}))
        message = self.resume(tiny_settings(own_run))
        assert message == f"{path}: found checkpoint format {version}; expected 1: train again with --overwrite"

    def test_another_number_of_processes_is_named(self, own_run: Path, tiny_settings: Settings) -> None:
        path = own_run / "checkpoints" / "last" / "state.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"n_processes": 4}))
        assert "started with 4 processes, found 1" in self.resume(tiny_settings(own_run))

    @pytest.mark.parametrize(
        "name", ["network.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"]
    )
    @pytest.mark.parametrize("damage", ["truncated", "empty", "missing", "foreign"])
    def test_a_damaged_file_is_named(self, own_run: Path, tiny_settings: Settings, name: str, damage: str) -> None:
        path = own_run / "checkpoints" / "last" / name
        content = path.read_bytes()
        path.unlink()
        if damage != "missing":
            path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "foreign": b"[1, 2]"}[damage])
        message = self.resume(tiny_settings(own_run))
        assert "checkpoints/last" in message
        assert "damaged" in message

    @pytest.mark.parametrize("content", ['{"a": 1}', "[]", "null", '{"config": 1, "data": 2, "progress": 3}'])
    def test_other_json_is_refused(self, own_run: Path, tiny_settings: Settings, content: str) -> None:
        (own_run / "checkpoints" / "last" / "state.json").write_text(content)
        assert "damaged or foreign checkpoint" in self.resume(tiny_settings(own_run))

    def test_a_folder_of_other_files_is_refused(self, own_run: Path, tiny_settings: Settings) -> None:
        last = own_run / "checkpoints" / "last"
        for path in last.iterdir():
            path.unlink()
        (last / "holiday.jpg").touch()
        assert "damaged or foreign checkpoint" in self.resume(tiny_settings(own_run))

    def test_output_settings_may_change(self, own_run: Path, tiny_settings: Settings) -> None:
        before = json.loads((own_run / "results.json").read_text())
        settings = tiny_settings(own_run, output={"log_interval": 1, "save_steps": 3})
        assert Trainer(settings, resume=True).train()[0] == before
