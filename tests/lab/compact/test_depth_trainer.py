"""Training of the compact network: real steps of a tiny one on scenes made for it."""

import json
from pathlib import Path

import pytest
import torch
from facts import naming
from safetensors.torch import load_file
from torch import Tensor

from any2bokeh.depth.compact import CompactDims, CompactEstimator, CompactNetwork
from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.compact.__main__ import parse_scales
from any2bokeh.lab.compact.depth_trainer import (
    CHECKPOINT,
    JOURNAL,
    CompactTraining,
    CompactTrainingSettings,
    fold,
    train_compact,
    write_weights,
)
from any2bokeh.lab.compact.pairs import DataSettings, Pairs
from any2bokeh.lab.compact.scale_free import depth_loss
from any2bokeh.weights.checkpoint import load_weights

pytestmark = pytest.mark.slow

TINY = CompactDims(widths=(8, 8, 16, 16), blocks=(1, 1, 1, 1), attentions=1, heads=2, decoder=(8, 8, 8))


def settings(steps: int, **changes: object) -> CompactTrainingSettings:
    run = {
        "cooldown": 0,
        "warmup": 2,
        "checkpoint_every": 2,
        "measure_every": 1000,
        "validation_pairs": 1,
        "in_background": False,
        "data": DataSettings(seed=3, pairs=2, scales=((0.4, 0),)),
        "dims": TINY,
    }
    return CompactTrainingSettings(steps=steps, **run | changes)  # type: ignore[arg-type]


def pair_of(*frames: Tensor) -> Tensor:
    return torch.stack(frames)[:, None]


def test_a_few_steps_lower_the_loss() -> None:
    training = CompactTraining(settings(40, learning_rate=3e-3))
    batch = Pairs(training.settings.data, 1)[0]
    losses = [training.learn(*batch) for _ in range(40)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    train_compact(settings(6, cooldown=2), tmp_path / "whole")
    stopped = CompactTraining(settings(6, cooldown=2))
    data = Pairs(stopped.settings.data, 6)
    for step in range(3):
        stopped.learn(*data[step])
    (tmp_path / "parts").mkdir()
    stopped.save(tmp_path / "parts" / CHECKPOINT)
    train_compact(settings(6, cooldown=2), tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=0, msg=name)


def test_the_journal_has_loss_and_what_was_measured(tmp_path: Path) -> None:
    train_compact(settings(4), tmp_path)
    first, last = (json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines())
    assert (first["step"], last["step"]) == (2, 4)
    assert 0 < last["error"] < 1 and -1 <= last["rank"] <= 1 and last["ramp_rank"] > 0


def test_a_batch_depends_on_its_number_and_the_seed_alone() -> None:
    data = DataSettings(seed=5, pairs=1, scales=((0.4, 0),))
    first = Pairs(data, 10)
    first[0], first[1]
    for mine, again in zip(first[2], Pairs(data, 10)[2], strict=True):
        assert torch.equal(mine, again)
    other = Pairs(DataSettings(seed=6, pairs=1, scales=((0.4, 0),)), 10)[2]
    assert not torch.equal(other[0], first[2][0])


def test_batches_hold_pictures_and_disparity_from_0_to_1() -> None:
    pictures, motion, truth = Pairs(DataSettings(pairs=3, scales=((0.6, 0),)), 1)[0]
    assert pictures.shape[:2] == (6, 3) and truth.shape == (6, 1, *pictures.shape[2:])
    assert motion.shape == (6, 5, *(side // 4 for side in pictures.shape[2:]))
    assert all(side % 32 == 0 for side in pictures.shape[2:])
    for values in (pictures, truth):
        assert values.dtype == torch.float32 and values.min() >= 0 and values.max() <= 1
    assert all(pair.max() > 0.99 and pair.min() < 0.01 for pair in truth.split(2))


def test_some_pairs_are_shown_as_single_pictures() -> None:
    motion = Pairs(DataSettings(pairs=20, scales=((0.4, 0),)), 1)[0][1]
    known = float((motion[::2, 4].amax((1, 2)) > 0).float().mean())
    assert 0.5 < known < 1


def test_frames_grow_in_the_steps_that_were_named() -> None:
    data = DataSettings(scales=parse_scales("0.4:10,0.6:20,0.8"))
    assert [data.scale(step) for step in (0, 9, 10, 19, 20, 99)] == [0.4, 0.4, 0.6, 0.6, 0.8, 0.8]


def test_the_rate_rises_stays_and_falls() -> None:
    training = CompactTraining(settings(100, warmup=10, cooldown=50, learning_rate=1.0))
    rates = []
    for training.step in (0, 9, 30, 49, 75, 99):
        rates.append(training.rate())
    assert rates == pytest.approx([0.1, 1, 1, 1, 0.5, 0.02])


def test_scale_and_shift_of_a_pair_cost_little_and_flicker_costs() -> None:
    truth = torch.rand(2, 1, 32, 32)
    perfect = float(depth_loss(truth, truth))
    assert perfect == 0
    scaled = float(depth_loss(0.9 * truth + 0.05, truth))
    flickering = float(depth_loss(truth * torch.tensor([0.9, 1.1])[:, None, None, None], truth))
    assert scaled < 0.1 < flickering


def test_wrong_edges_cost_more_than_a_wrong_slope() -> None:
    x = torch.linspace(0, 1, 64).expand(64, 64)
    step = (x > 0.5).float()
    slanted = depth_loss(pair_of(step + 0.2 * x, step + 0.2 * x), pair_of(step, step))
    moved = (x > 0.6).float()
    assert float(depth_loss(pair_of(moved, moved), pair_of(step, step))) > float(slanted)


def test_folded_weights_give_the_same_and_are_loaded_strictly(tmp_path: Path) -> None:
    network = CompactNetwork(TINY)
    for _ in range(3):
        network(torch.rand(4, 3, 64, 64), torch.randn(4, 5, 16, 16))
    network.eval()
    picture, motion = torch.rand(1, 3, 64, 96), torch.randn(1, 5, 16, 24)
    with torch.no_grad():
        expected = network(picture, motion)
        torch.testing.assert_close(fold(network, TINY)(picture, motion), expected, rtol=1e-4, atol=1e-5)
        write_weights(network, TINY, tmp_path / "weights.safetensors")
        loaded = CompactNetwork(TINY, folded=True)
        load_weights(loaded, tmp_path / "weights.safetensors", dtype=torch.float32)
        torch.testing.assert_close(loaded(picture, motion), expected, rtol=0.02, atol=0.02)
    assert CompactEstimator(loaded).estimate(picture, (32, 48)).shape == (1, 1, 32, 48)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    training = CompactTraining(settings(2))
    training.learn(*Pairs(training.settings.data, 2)[0])
    training.save(tmp_path / CHECKPOINT)
    with pytest.raises(WeightsError, match=naming(tmp_path / CHECKPOINT)):
        CompactTraining(settings(2, dims=CompactDims(widths=(8, 16, 16, 16), decoder=(8, 8, 8)))).load(
            tmp_path / CHECKPOINT
        )


def test_a_cooldown_longer_than_the_run_is_refused() -> None:
    with pytest.raises(SettingsError, match=naming("0 to 5", 6)):
        settings(5, cooldown=6)
