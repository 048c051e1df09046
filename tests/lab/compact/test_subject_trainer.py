"""Training of the network that finds a subject: real steps of a tiny one on pictures made for it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from any2bokeh.depth.compact import CompactDims, CompactNetwork, EncoderStage
from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.__main__ import app
from any2bokeh.lab.compact.batches import BatchSettings
from any2bokeh.lab.compact.learning_run import CHECKPOINT, JOURNAL, WEIGHTS_FILE
from any2bokeh.lab.compact.subject_batches import SubjectBatches, SubjectTask
from any2bokeh.lab.compact.subject_measures import measure_click_network
from any2bokeh.lab.compact.subject_trainer import (
    SubjectTraining,
    SubjectTrainingSettings,
    look_again,
    subject_loss,
    train_subject,
)
from any2bokeh.subject.click_network import ClickDims, ClickNetwork, FoundMask, Prompt

STAGES = [EncoderStage(blocks=1, kernel=3, stride=k, growth=2, width=8) for k in (1, 2, 2, 2, 1, 2, 1)]
TINY_DEPTH = CompactDims(stem=8, stages=tuple(STAGES), decoder=(8, 8, 8, 8, 8), attentions=1, heads=2, head=4)
TINY = ClickDims(widths=(8, 8, 8, 8, 8), key=8, heads=2, attentions=(1, 1), depth=TINY_DEPTH)


def settings(pictures: Path, steps: int, **changes: object) -> SubjectTrainingSettings:
    run = {
        "cooldown": 0,
        "warmup": 2,
        "checkpoint_every": 2,
        "in_background": False,
        "depth": None,
        "data": BatchSettings(folders=((pictures, 1.0),), seed=3, length=2),
        "dims": TINY,
    }
    return SubjectTrainingSettings(steps=steps, **run | changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_few_steps_find_the_thing_on_one_batch(pictures: Path) -> None:
    training = SubjectTraining(settings(pictures, 30, learning_rate=1e-2))
    training.settle()
    batch = SubjectBatches(training.settings.data, 2)[1]
    found = [training.learn(batch) for _ in range(30)]
    assert found[-1]["loss"] < 0.6 * found[0]["loss"]
    assert found[-1]["follow"] > found[0]["follow"] + 0.2


def test_a_last_mask_with_a_click_is_what_the_network_finds_without_it() -> None:
    torch.manual_seed(0)
    depth, network = CompactNetwork(TINY_DEPTH).eval(), ClickNetwork(TINY).eval()
    marks = torch.rand(3, 3, 32, 48)
    task = SubjectTask(marks, torch.tensor([1.0, 0.0, 1.0]), torch.zeros(3, 1, 32, 48), torch.ones(3))
    with torch.no_grad():
        seen = network.see(depth.look(torch.rand(3, 3, 64, 96)), torch.rand(3, 3, 32, 48))
    prompt = look_again(network, seen, task)
    torch.testing.assert_close(prompt.marks[:, :2], marks[:, :2])
    torch.testing.assert_close(prompt.marks[1], marks[1])  # no last mask is asked for
    without = torch.cat([marks[:, :2], torch.zeros(3, 1, 32, 48)], 1)
    with torch.no_grad():
        found = network(seen, Prompt(without, torch.zeros(3)), None).mask.sigmoid()[:, 0]
    torch.testing.assert_close(prompt.marks[::2, 2], found[::2], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(prompt.marks[0, 2], marks[0, 2])
    assert marks.equal(task.marks) and prompt.follows.equal(task.follows)


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_one_that_was_not(pictures: Path, tmp_path: Path) -> None:
    train_subject(settings(pictures, 6, cooldown=2), tmp_path / "whole")
    stopped = SubjectTraining(settings(pictures, 6, cooldown=2))
    stopped.settle()
    data = SubjectBatches(stopped.settings.data, 6)
    for step in range(3):
        stopped.learn(data[step])
    (tmp_path / "parts").mkdir()
    stopped.save(tmp_path / "parts")
    train_subject(settings(pictures, 6, cooldown=2), tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=0, msg=name)


def test_the_depth_network_keeps_its_weights(pictures: Path) -> None:
    training = SubjectTraining(settings(pictures, 2))
    before = {name: value.clone() for name, value in training.depth.state_dict().items()}
    own = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.learn(SubjectBatches(training.settings.data, 1)[0])
    assert all(value.equal(before[name]) for name, value in training.depth.state_dict().items())
    changed = {name for name, value in training.network.state_dict().items() if not value.equal(own[name])}
    assert {"key.weight", "head.1.weight", "quality.2.weight", "sharpness"} <= changed


@pytest.mark.slow
def test_the_journal_has_the_figures_and_the_folder_the_weights(pictures: Path, tmp_path: Path) -> None:
    training = train_subject(settings(pictures, 4), tmp_path)
    entries = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [2, 4] and {"loss", "click", "follow"} <= entries[0].keys()
    weights = load_file(tmp_path / WEIGHTS_FILE)
    assert weights.keys() == training.averaged.state_dict().keys()
    assert all(value.dtype == torch.float16 for value in weights.values())


def test_a_perfect_mask_has_hardly_any_loss_and_counts_alone(pictures: Path) -> None:
    task = SubjectBatches(settings(pictures, 1).data, 1)[0].follow
    likely = torch.where(task.truth.amax((1, 2, 3)) > 0.5, 9.0, -9.0)  # of a subject that is not seen: none
    perfect, overlap = subject_loss(FoundMask(task.truth.round() * 40 - 20, likely), task)
    wrong, other = subject_loss(FoundMask(20 - task.truth.round() * 40, -likely), task)
    assert perfect < 0.4 < 5 < wrong
    assert overlap > 0.95 and other == 0


def test_impossible_runs_are_told(pictures: Path) -> None:
    with pytest.raises(SettingsError, match="cooldown"):
        settings(pictures, 5, cooldown=6)


def test_the_command_makes_two_moments_and_names_a_folder_without_masks(tmp_path: Path) -> None:
    asked = [
        "make",
        str(tmp_path),
        "--first",
        "3",
        "--count",
        "1",
        "--moments",
        "2",
        "--unit",
        "10",
        "--plain",
    ]
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == ["000003-0.jpg", "000003-1.jpg"]
    asked = [
        "train-subject",
        str(tmp_path / "run"),
        "--data",
        str(tmp_path),
        "--steps",
        "1",
        "--cooldown",
        "0",
    ]
    result = CliRunner().invoke(app, asked)
    assert isinstance(result.exception, SettingsError)


def test_weights_are_measured_with_motion_and_without(pictures: Path) -> None:
    torch.manual_seed(0)
    depth, network = CompactNetwork(TINY_DEPTH).eval(), ClickNetwork(TINY).eval()
    data = BatchSettings(folders=((pictures, 1.0),), seed=3, length=2)
    moving = measure_click_network(depth, network, data, 2)
    assert moving == measure_click_network(depth, network, data, 2)
    still = measure_click_network(depth, network, data, 2, moving=False)
    assert still != moving
    for found in (moving, still):
        assert min(found.click, found.again, found.following) >= 0 and abs(found.too_well) <= 1
