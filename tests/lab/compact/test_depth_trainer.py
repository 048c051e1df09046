"""Training of the compact network: real steps of a tiny one on pictures made for it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from any2bokeh.depth.compact import CompactDims, CompactNetwork, Encoder, EncoderStage, InvertedResidual
from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.compact.__main__ import app, parse_share
from any2bokeh.lab.compact.batches import Batches, BatchSettings
from any2bokeh.lab.compact.depth_trainer import (
    CompactTraining,
    CompactTrainingSettings,
    mean_weights,
    train_compact,
)
from any2bokeh.lab.compact.imagenet import NORM_EPSILON, load_imagenet
from any2bokeh.lab.compact.learning_run import CHECKPOINT, JOURNAL, WEIGHTS_FILE, write_weights
from any2bokeh.lab.compact.scale_free import depth_loss
from any2bokeh.weights.checkpoint import load_weights

TINY = CompactDims(
    stem=8,
    stages=tuple(
        EncoderStage(blocks=1, kernel=3, stride=stride, growth=2, width=8) for stride in (1, 2, 2, 2, 1, 2, 1)
    ),
    decoder=(8, 8, 8, 8, 8),
    attentions=1,
    heads=2,
    head=4,
)


def settings(pictures: Path, steps: int, **changes: object) -> CompactTrainingSettings:
    run = {
        "cooldown": 0,
        "warmup": 2,
        "frozen": 0,
        "checkpoint_every": 2,
        "in_background": False,
        "data": BatchSettings(folders=((pictures, 1.0),), seed=3, length=2),
        "dims": TINY,
    }
    return CompactTrainingSettings(steps=steps, **run | changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_few_steps_lower_the_loss(pictures: Path) -> None:
    training = CompactTraining(settings(pictures, 40, learning_rate=3e-3, encoder_rate=3e-3))
    batch = Batches(training.settings.data, 1)[0]
    losses = [training.learn(*batch) for _ in range(40)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_one_that_was_not(pictures: Path, tmp_path: Path) -> None:
    train_compact(settings(pictures, 6, cooldown=2), tmp_path / "whole")
    stopped = CompactTraining(settings(pictures, 6, cooldown=2))
    data = Batches(stopped.settings.data, 6)
    for step in range(3):
        stopped.learn(*data[step])
    (tmp_path / "parts").mkdir()
    stopped.save(tmp_path / "parts")
    train_compact(settings(pictures, 6, cooldown=2), tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=0, msg=name)


def test_frozen_stages_keep_their_weights_and_others_learn(pictures: Path) -> None:
    training = CompactTraining(settings(pictures, 2, frozen=5, warmup=1))
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.learn(*Batches(training.settings.data, 1)[0])
    changed = {name for name, value in training.network.state_dict().items() if not value.equal(before[name])}
    assert any(name.startswith("encoder.stages.6") for name in changed) and "head.1.weight" in changed
    frozen = ("encoder.stem", *(f"encoder.stages.{stage}." for stage in range(5)))
    assert not any(name.startswith(frozen) for name in changed)


def test_the_journal_has_the_loss_and_the_folder_the_weights(pictures: Path, tmp_path: Path) -> None:
    training = train_compact(settings(pictures, 4), tmp_path)
    first, last = (json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines())
    assert (first["step"], last["step"]) == (2, 4) and last["loss"] > 0
    loaded = CompactNetwork(TINY)
    load_weights(loaded, tmp_path / WEIGHTS_FILE, dtype=torch.float32)
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, training.averaged.state_dict()[name], rtol=1e-2, atol=1e-3)
    again = CompactTraining(settings(pictures, 4, start=tmp_path / WEIGHTS_FILE))
    assert again.network.state_dict()["head.1.weight"].equal(loaded.state_dict()["head.1.weight"])


def test_weights_are_averaged_one_by_one(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 3.0)):
        save_file({"x": torch.full((2,), value)}, tmp_path / name)
    mean = mean_weights([(tmp_path / "a", 0.75), (tmp_path / "b", 0.25)])
    assert mean["x"].tolist() == [1.5, 1.5]
    with pytest.raises(SettingsError, match=r"1\.25"):
        mean_weights([(tmp_path / "a", 1.0), (tmp_path / "b", 0.25)])
    save_file({"y": torch.zeros(1)}, tmp_path / "c")
    with pytest.raises(WeightsError, match="different networks"):
        mean_weights([(tmp_path / "a", 0.5), (tmp_path / "c", 0.5)])


def test_folded_weights_of_imagenet_give_what_the_normalized_ones_gave(tmp_path: Path) -> None:
    torch.manual_seed(4)
    encoder = Encoder(TINY)
    state: dict[str, Tensor] = {}
    layers = []  # name of the convolution, of its normalization, the convolution that takes them
    number = 0
    for stage in encoder.stages:
        for block in stage:  # type: ignore[union-attr]
            assert isinstance(block, InvertedResidual)
            layers.append((f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0", block.expand))
            layers.append((f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1", block.depthwise))
            layers.append((f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2", block.project))
            number += 1
    layers.append(("_conv_stem", "_bn0", encoder.stem))
    for name, norm, convolution in layers:
        assert convolution is not None
        state[f"{name}.weight"] = torch.randn_like(convolution.weight)
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(len(convolution.weight)) + 0.5
    torch.save(state, tmp_path / "weights.pth")
    load_imagenet(encoder, tmp_path / "weights.pth")
    x = torch.rand(1, 3, 8, 8)
    x_padded = torch.nn.functional.pad(x, (0, 1, 0, 1))
    plain = torch.nn.functional.conv2d(x_padded, state["_conv_stem.weight"], stride=2)
    running = state["_bn0.running_mean"], state["_bn0.running_var"]
    expected = torch.nn.functional.batch_norm(
        plain, *running, state["_bn0.weight"], state["_bn0.bias"], eps=NORM_EPSILON
    )
    torch.testing.assert_close(encoder.stem(x), expected, rtol=1e-4, atol=1e-4)
    del state["_blocks.3._bn1.bias"]
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="another network"):
        load_imagenet(encoder, tmp_path / "weights.pth")


def test_scale_and_shift_cost_nothing_and_wrong_order_costs_most() -> None:
    truth, known = torch.rand(2, 1, 32, 32), torch.ones(2, 1, 32, 32)

    def loss(guess: Tensor) -> float:
        return float(depth_loss(guess, truth, known, torch.Generator().manual_seed(1)))

    right = loss(3 * truth + 7)
    assert right == pytest.approx(loss(truth), abs=1e-4) and right < 0.1
    assert loss(truth + 0.2 * torch.rand_like(truth)) < loss(torch.rand_like(truth)) < loss(-truth)


def test_unknown_disparity_does_not_count() -> None:
    truth, known = torch.rand(1, 1, 32, 32), torch.ones(1, 1, 32, 32)
    known[..., :16] = 0
    guess = truth.clone()
    guess[..., :16] = 5
    losses = [
        float(depth_loss(some, truth, known, torch.Generator().manual_seed(1))) for some in (guess, truth)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_checkpoint_of_another_network_is_refused(pictures: Path, tmp_path: Path) -> None:
    training = CompactTraining(settings(pictures, 2))
    training.learn(*Batches(training.settings.data, 2)[0])
    training.save(tmp_path)
    other = CompactDims(stem=8, stages=TINY.stages, decoder=(8, 8, 8, 8, 16), attentions=1, heads=2, head=4)
    with pytest.raises(WeightsError, match=CHECKPOINT):
        CompactTraining(settings(pictures, 2, dims=other)).load(tmp_path / CHECKPOINT)


def test_wrong_settings_are_refused(pictures: Path) -> None:
    with pytest.raises(SettingsError, match="0 to 5 steps, got 6"):
        settings(pictures, 5, cooldown=6)
    with pytest.raises(SettingsError, match="7 stages to freeze, got 8"):
        settings(pictures, 5, frozen=8)


@pytest.mark.slow
def test_the_command_makes_pictures_averages_and_measures(tmp_path: Path) -> None:
    run = CliRunner().invoke
    made = run(app, ["make", str(tmp_path), "--first", "3", "--count", "1", "--without", "car,bird"])
    assert made.exit_code == 0, made.output
    assert {path.name for path in tmp_path.iterdir()} >= {"000003.jpg", "000003.png"}
    assert (
        run(app, ["make", str(tmp_path), "--first", "3", "--count", "1", "--without", "cars"]).exit_code == 2
    )
    write_weights(CompactNetwork().state_dict(), tmp_path / "some.safetensors")
    some = tmp_path / "some.safetensors"
    assert (
        run(app, ["average", str(tmp_path / "mean.safetensors"), f"{some}:0.5", f"{some}:0.5"]).exit_code == 0
    )
    measured = run(app, ["measure", str(tmp_path), "--weights", str(tmp_path / "mean.safetensors")])
    assert measured.exit_code == 0 and "'rank'" in measured.output


def test_shares_stand_behind_a_colon() -> None:
    assert parse_share("a/b:0.25") == (Path("a/b"), 0.25)
    assert parse_share("a/b") == (Path("a/b"), 1.0)
