"""Runs of all stages at tiny size: what learns, what stays, what a stop changes, and what comes out."""

import shutil
from pathlib import Path

import pytest
import torch
from facts import naming
from safetensors.torch import load_file
from square_clips import RunOf, steps_kept

from any2bokeh.atomic import sole_user
from any2bokeh.errors import DatasetError, SettingsError, WeightsError
from any2bokeh.lab.run_state import read_run_state, write_run_state
from any2bokeh.lab.training import trainer
from any2bokeh.lab.training.run_folder import RunFolder, State, load_state
from any2bokeh.lab.training.trainer import TrainingError, make_state, make_windows, train
from any2bokeh.lab.training.training_settings import RunSettings, StageName
from any2bokeh.weights.checkpoint import read_checkpoint

pytestmark = pytest.mark.slow


def begin(run: RunSettings, folder: RunFolder) -> list[float]:
    """Train from the start; return the losses."""
    losses: list[float] = []
    train(run, folder, "cpu", lambda step, steps, loss: losses.append(loss))
    return losses


def weights_after(folder: RunFolder) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix("network."): tensor
        for name, tensor in load_file(folder.state).items()
        if name.startswith("network.")
    }


@pytest.mark.parametrize(
    ("stage", "trained", "frozen"),
    [
        ("geometry", "unet.conv_in.weight", "vae.decoder.conv_in.weight"),
        ("temporal", "unet.mid_block.resnets.0.temporal_res_block.conv1.weight", "unet.conv_in.weight"),
        ("detail", "vae.decoder.conv_out.weight", "unet.conv_in.weight"),
    ],
)
def test_each_stage_trains_what_it_names_and_leaves_the_rest_bit_for_bit(
    stage: StageName, trained: str, frozen: str, run_of: RunOf, folder: RunFolder
) -> None:
    run = run_of(stage, "steps=2", "learning_rate=1e-3", "crop=64")
    begin(run, folder)
    fresh = make_state(run, torch.device("cpu"))
    before = {name: weight.detach() for name, weight in fresh.network.named_parameters()}
    after = weights_after(folder)
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert trained in changed
    assert changed <= set(fresh.trained)
    assert frozen not in fresh.trained
    assert {"temporal": "temporal", "detail": "decoder"}.get(stage, "") in min(changed)
    facts = read_checkpoint(folder.checkpoint).facts
    assert (facts.mask_mode, facts.mpi_alpha, facts.time_ids) == ("paper", 1.0, (6, 127, 0.0))


@pytest.mark.parametrize(
    "changes", [(), ("loss=squared", "texture=0.25", 'train=["unet.*", "vae.decoder.*"]')]
)
def test_the_loss_falls(changes: tuple[str, ...], run_of: RunOf, folder: RunFolder) -> None:
    run = run_of(
        *("geometry", "steps=16", "learning_rate=2e-3", "warmup=0", "cooldown=0"),
        *("crop=64", "frames=2", "accumulate=1", "perturbed=0", *changes),
    )
    losses = begin(run, folder)
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])


@pytest.mark.parametrize("stage", ["geometry", "temporal"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    stage: StageName, run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of(
        stage,
        "steps=5",
        "crop=64",
        "frames=2",
        "learning_rate=1e-3",
        "average=0.9",
        "cooldown=2",
        "perturbed=0.5",
    )
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    begin(run, whole)

    def stop(step: int, steps: int, loss: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, stopped, "cpu", stop)
    assert steps_kept(stopped.state) == 3  # though it was to be saved after 2 and 4
    train(stopped.read_settings(), stopped, "cpu")
    assert stopped.read_settings() == run
    for path in ("state.safetensors", "checkpoint/unet/diffusion_pytorch_model.safetensors"):
        assert (whole.path / path).read_bytes() == (stopped.path / path).read_bytes()


def test_a_run_that_was_killed_behind_its_last_step_still_gets_its_checkpoint(
    run_of: RunOf, folder: RunFolder
) -> None:
    run = run_of("geometry", "steps=2", "crop=64")
    train(run, folder, "cpu")
    before = {path.name: path.read_bytes() for path in folder.checkpoint.rglob("*") if path.is_file()}
    shutil.rmtree(folder.checkpoint)
    train(run, folder, "cpu")
    assert {path.name: path.read_bytes() for path in folder.checkpoint.rglob("*") if path.is_file()} == before


def test_a_folder_that_another_run_writes_to_is_left_alone(run_of: RunOf, folder: RunFolder) -> None:
    folder.path.mkdir()
    with sole_user(folder.path, AssertionError()):
        with pytest.raises(SettingsError, match=naming(folder.path)):
            train(run_of("geometry", "steps=5", "crop=64", "frames=2"), folder, "cpu")
        assert [path.name for path in folder.path.iterdir()] == [".lock"]


def test_a_step_that_was_cut_short_is_not_kept(
    run_of: RunOf, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = State.advance

    def stop(state: State) -> None:
        if state.step == 3:
            raise KeyboardInterrupt
        advance(state)

    monkeypatch.setattr(State, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        train(run_of("geometry", "steps=5", "crop=64", "frames=2"), folder, "cpu")
    assert steps_kept(folder.state) == 2


@pytest.mark.slow
def test_what_was_learned_before_a_damaged_clip_came_is_kept(
    data: Path, run_of: RunOf, folder: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = shutil.copytree(data, tmp_path / "set")
    run = run_of("geometry", "steps=5", "crop=64", "frames=2", "accumulate=1", "checkpoint_every=9", data=own)
    windows = make_windows(own, run.training, make_state(run, torch.device("cpu")).network)
    clips = [windows.take(number).clip for number in range(run.training.steps)]
    reached = next(number for number, clip in enumerate(clips) if clip.name != clips[0].name)
    damaged = clips[reached].folder / "sharp.mkv"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(DatasetError):
        train(run, folder, "cpu")
    assert steps_kept(folder.state) == reached
    assert f"kept up to step {reached}" in caplog.text
    damaged.write_bytes(whole)
    train(folder.read_settings(), folder, "cpu")
    assert steps_kept(folder.state) == run.training.steps


def test_a_run_that_came_nowhere_is_not_in_the_way(data: Path, run_of: RunOf, folder: RunFolder) -> None:
    folder.write_settings(run_of("geometry"))
    folder.check_new()
    begin(run_of("geometry", "steps=1", "crop=64", "frames=2"), folder)
    with pytest.raises(SettingsError, match=naming(folder.path)):
        folder.check_new()


def test_the_checkpoint_holds_the_averaged_weights(run_of: RunOf, folder: RunFolder) -> None:
    begin(run_of("geometry", "steps=3", "crop=64", "average=0.9", "learning_rate=1e-2"), folder)
    state = load_file(folder.state)
    saved = load_file(folder.checkpoint / "unet" / "diffusion_pytorch_model.safetensors")["conv_in.weight"]
    average, latest = (state[f"{kind}.unet.conv_in.weight"] for kind in ("average", "network"))
    assert torch.equal(saved, average.half()) and not torch.equal(saved, latest.half())


def test_tensorboard_has_scalars_and_stills(run_of: RunOf, folder: RunFolder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    begin(run_of("geometry", "steps=2", "frames=2"), folder)
    events = EventAccumulator(str(folder.path / "tensorboard"))
    events.Reload()
    assert {"loss", "learning_rate", "psnr/true"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["disparity/true"]


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was_good(
    run_of: RunOf, folder: RunFolder
) -> None:
    with pytest.raises(TrainingError, match="step") as stop:
        begin(run_of("geometry", "steps=6", "learning_rate=1e18", "crop=64", "warmup=0"), folder)
    assert "training.learning_rate" in stop.value.hint
    assert not folder.checkpoint.exists()
    if folder.state.exists():
        assert all(bool(torch.isfinite(weight).all()) for weight in weights_after(folder).values())


def test_a_gradient_that_is_no_number_stops_the_step_that_has_it(
    run_of: RunOf, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps_back = iter(range(10))

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("nan") if next(steps_back) == 2 else gradient

    def make_spoiled(run: RunSettings, device: torch.device) -> State:
        state = make_state(run, device)
        state.trained["unet.conv_out.bias"].register_hook(spoil)
        return state

    monkeypatch.setattr(trainer, "make_state", make_spoiled)
    run = run_of("geometry", "steps=6", "crop=64", "frames=2", "accumulate=1")
    assert not run.training.clip_gradient  # where nothing else looks at gradients
    with pytest.raises(TrainingError, match="step 3: the gradient"):
        train(run, folder, "cpu")
    assert steps_kept(folder.state) == 2


def test_a_run_does_not_go_on_from_what_is_no_number(run_of: RunOf, folder: RunFolder) -> None:
    run = run_of("geometry", "steps=1", "crop=64")
    begin(run, folder)
    step, tensors = read_run_state(folder.state)
    name = next(name for name in tensors if name.startswith("network."))
    tensors[name].view(-1)[0] = float("nan")
    write_run_state(folder.state, step, tensors)
    with pytest.raises(WeightsError, match=name.removeprefix("network.").split(".")[0]):
        load_state(make_state(run, torch.device("cpu")), folder.state)
