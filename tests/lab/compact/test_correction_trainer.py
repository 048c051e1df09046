"""Training of the network that corrects the lens: real steps of a small one on takes made for it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.__main__ import app
from any2bokeh.lab.compact.correction_batches import (
    CorrectionBatch,
    CorrectionBatchSettings,
    correction_batches,
)
from any2bokeh.lab.compact.correction_trainer import (
    CorrectionTraining,
    CorrectionTrainingSettings,
    relative_errors,
    train_correction,
)
from any2bokeh.lab.compact.learning_run import CHECKPOINT, JOURNAL, WEIGHTS_FILE
from any2bokeh.lab.compact.lens_takes import LensTake, take_name, write_take
from any2bokeh.render.small.correction import lens_view
from any2bokeh.render.small.correction_network import CorrectionNetwork
from any2bokeh.weights.checkpoint import load_weights

HEIGHT, WIDTH, TINY = 64, 96, (8, 8, 8, 8)


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sharp noise on the left, in focus; on the right noise behind it that the truth has lost altogether."""
    folder = tmp_path_factory.mktemp("takes")
    for number in range(2):
        generator = torch.Generator().manual_seed(number)
        sharp = 0.9 * torch.rand(2, 3, HEIGHT, WIDTH, generator=generator)  # no clipped lights
        truth = sharp.clone()
        truth[..., WIDTH // 2 :] = 0.5
        disparity = torch.full((2, 1, HEIGHT, WIDTH), 0.2)
        disparity[..., : WIDTH // 2] = 0.8
        take = LensTake(
            sharp=sharp, truth=truth, disparity=disparity, focus_disparity=[0.8] * 2, blur_strength=[90] * 2
        )
        write_take(folder / take_name(number, 0), take, (number,))
    return folder


def settings(takes: Path, steps: int, **changes: object) -> CorrectionTrainingSettings:
    data = CorrectionBatchSettings(folders=(takes,), seed=3, length=2, crop_px=48)
    run = {"cooldown": 0, "warmup": 2, "checkpoint_every": 2, "widths": TINY, "data": data}
    return CorrectionTrainingSettings(steps=steps, **run | changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_few_steps_lower_the_errors(takes: Path) -> None:
    training = CorrectionTraining(settings(takes, 60, learning_rate=3e-3))
    [batch] = correction_batches(training.settings.data, 0, 1)
    first = training.learn(batch)
    assert first == {"error": 1.0, "change": 1.0}  # it begins as the lens
    for _ in range(59):
        last = training.learn(batch)
    assert last["error"] < 0.8


def test_errors_are_shares_of_the_lens_s() -> None:
    truth = torch.full((1, 2, 3, 16, 16), 0.5)
    lens = truth + 0.2
    nothing = torch.zeros(2, 1, 16, 16)
    batch = CorrectionBatch(lens_view(truth[0], lens[0], nothing, nothing, nothing), truth)
    error, change = relative_errors(truth + 0.1, batch)
    assert float(error) == pytest.approx(0.25, abs=0.01)
    assert float(change) == pytest.approx(1)  # neither changes from frame to frame
    flickering = truth + torch.tensor([0.1, -0.1])[None, :, None, None, None]
    assert float(relative_errors(flickering, batch)[1]) > 100


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_one_that_was_not(takes: Path, tmp_path: Path) -> None:
    train_correction(settings(takes, 4), tmp_path / "whole")
    train_correction(settings(takes, 2), tmp_path / "stopped")
    train_correction(settings(takes, 4), tmp_path / "stopped")
    whole, again = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "stopped"))
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    steps = [json.loads(line)["step"] for line in (tmp_path / "whole" / JOURNAL).read_text().splitlines()]
    assert steps == [2, 4]
    load_weights(CorrectionNetwork(TINY), tmp_path / "whole" / WEIGHTS_FILE, dtype=torch.float32)


@pytest.mark.slow
def test_batches_depend_on_the_seed_and_their_number_alone(takes: Path) -> None:
    data = settings(takes, 1).data
    whole = list(correction_batches(data, 0, 4))
    for one, other in zip(whole[2:], correction_batches(data, 2, 4), strict=True):
        assert torch.equal(one.truth, other.truth)
        assert all(
            torch.equal(*pair)
            for pair in zip(vars(one.view).values(), vars(other.view).values(), strict=True)
        )
    first, second = whole[:2]
    assert not torch.equal(first.view.sharp, second.view.sharp)
    assert first.truth.shape == (2, 2, 3, 48, 48) and first.view.evidence.shape == (4, 1, 48, 48)


@pytest.mark.parametrize("crop_px", [0, 40, -16])
def test_a_crop_that_the_network_cannot_take_is_an_error(crop_px: int, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="16"):
        CorrectionBatchSettings(folders=(tmp_path,), crop_px=crop_px)


def test_takes_of_one_frame_are_an_error(tmp_path: Path) -> None:
    one = np.zeros((1, 3, 64, 64), np.uint8)
    coc = np.zeros((1, 64, 64), np.float16)
    maps = {f"{what}.exact": coc for what in ("coc", "rings", "evidence")}
    np.savez(tmp_path / "000000-0.npz", **{"sharp": one, "truth": one, "lens.exact": one}, **maps)
    with pytest.raises(SettingsError, match="2 frames"):
        next(correction_batches(CorrectionBatchSettings(folders=(tmp_path,)), 0, 1))


@pytest.mark.slow
def test_the_command_trains(takes: Path, tmp_path: Path) -> None:
    command = ["train-correction", str(tmp_path / "run"), "--data", str(takes), "--steps", "1"]
    run = CliRunner().invoke(app, [*command, "--cooldown", "0", "--length", "1", "--crop", "48"])
    assert run.exit_code == 0, run.output
    load_weights(CorrectionNetwork(), tmp_path / "run" / WEIGHTS_FILE, dtype=torch.float32)
