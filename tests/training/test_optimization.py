"""Weight decay, learning rates, and the schedule."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from zhenwei.config import Config
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.training.optimization import build_optimizer, build_schedule, parameter_groups, warmup_steps


def network_of(config: Config, vocab_size: int = 50) -> DetectorNetwork:
    return build_network(config.model, Vocabulary(vocab_size, pad_id=0, max_len=40))


def names_in(network: DetectorNetwork, group: dict[str, Any]) -> set[str]:
    members = {id(weight) for weight in group["params"]}
    return {name for name, weight in network.named_parameters() if id(weight) in members}


class TestGroups:
    def test_all_weights_but_biases_norms_and_embeddings_are_decayed(self, plain_config: Callable[..., Config]) -> None:
        network = network_of(plain_config())
        spared, decayed = parameter_groups(network, plain_config(weight_decay=0.5).training)[::-1]
        assert (spared["weight_decay"], decayed["weight_decay"]) == (0.0, 0.5)
        biases = {name for name, _ in network.named_parameters() if "bias" in name}
        assert names_in(network, spared) == biases | {"embedding.table.weight", "norm.weight"}
        assert names_in(network, decayed) == {name for name, _ in network.named_parameters()} - names_in(
            network, spared
        )

    def test_each_weight_that_trains_is_in_exactly_one_group(self, plain_config: Callable[..., Config]) -> None:
        network = network_of(plain_config())
        network.mlp.requires_grad_(False)
        members = [
            id(weight) for group in parameter_groups(network, plain_config().training) for weight in group["params"]
        ]
        assert sorted(members) == sorted(id(weight) for weight in network.parameters() if weight.requires_grad)

    @pytest.mark.parametrize("finetune", [True, False])
    def test_pretrained_layers_have_their_own_rate_or_do_not_train(self, tiny_bert: Path, finetune: bool) -> None:
        config = Config.load(
            {
                "model": {"emb_dim": 16, "use_pretrained_bert": True, "bert_model_name": str(tiny_bert),
                          "finetune_bert": finetune, "mlp_dims": [8]},
                "training": {"lr": 1e-2, "pretrained_lr": 1e-5},
            }
        )  # fmt: skip
        network = network_of(config)
        rates = {
            name: group["lr"]
            for group in parameter_groups(network, config.training)
            for name in names_in(network, group)
        }
        pretrained = {name: rate for name, rate in rates.items() if name.startswith("embedding.layer")}
        assert set(pretrained.values()) == ({1e-5} if finetune else set())
        assert {rate for name, rate in rates.items() if name not in pretrained} == {1e-2}


class TestSchedule:
    def rates(self, config: Config, steps: int) -> list[float]:
        """Return the learning rates of a number of steps, as shares of the peak."""
        optimizer = torch.optim.AdamW(nn.Linear(1, 1).parameters(), lr=config.training.lr)
        schedule = build_schedule(optimizer, config.training, steps)
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"] / config.training.lr)
            optimizer.step()
            schedule.step()
        return found

    def test_linear_rises_during_warm_up_and_falls_to_zero(self, plain_config: Callable[..., Config]) -> None:
        found = self.rates(plain_config(schedule="linear", warmup_steps=4), 12)
        assert found == pytest.approx([0, 1 / 4, 2 / 4, 3 / 4] + [(12 - step) / 8 for step in range(4, 12)])

    def test_cosine_falls_as_half_a_cosine(self, plain_config: Callable[..., Config]) -> None:
        found = self.rates(plain_config(schedule="cosine", warmup_steps=2), 10)
        assert found == pytest.approx([0, 1 / 2] + [(1 + math.cos(math.pi * done / 8)) / 2 for done in range(8)])

    def test_constant_stays_at_the_peak(self, plain_config: Callable[..., Config]) -> None:
        assert self.rates(plain_config(schedule="constant", warmup_steps=2), 6) == pytest.approx([0, 0.5, 1, 1, 1, 1])

    def test_without_warm_up_the_first_step_has_the_peak_rate(self, plain_config: Callable[..., Config]) -> None:
        assert self.rates(plain_config(warmup_steps=0), 4) == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])

    @pytest.mark.parametrize(("setting", "steps"), [(0, 0), (7, 7), (0.25, 10), (0.0, 0), (500, 40)])
    def test_the_warm_up_is_given_in_steps_or_as_a_share_of_all(
        self, plain_config: Callable[..., Config], setting: float, steps: int
    ) -> None:
        assert warmup_steps(plain_config(warmup_steps=setting).training, total_steps=40) == steps

    @pytest.mark.parametrize(("setting", "warned"), [(500, True), (40, True), (39, False), (0.1, False)])
    def test_a_warm_up_as_long_as_the_training_is_warned_about(
        self, plain_config: Callable[..., Config], caplog: pytest.LogCaptureFixture, setting: float, warned: bool
    ) -> None:
        self.rates(plain_config(warmup_steps=setting), 40)
        message = f"training.warmup_steps is {setting}, and the whole training takes 40 steps"
        assert [message in record.getMessage() for record in caplog.records] == [True] * warned

    def test_every_group_keeps_its_own_peak(self, plain_config: Callable[..., Config]) -> None:
        config = plain_config(warmup_steps=2)
        optimizer = build_optimizer(network_of(config), config.training)
        optimizer.param_groups[0]["lr"] = 0.5
        schedule = build_schedule(optimizer, config.training, 10)
        optimizer.step()
        schedule.step()
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.25, config.training.lr / 2])
