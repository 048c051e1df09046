"""The training run, from data to a checkpoint that refocuses: read ``train`` first."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor

from any2bokeh.atomic import sole_user, writes_to
from any2bokeh.device import choose_device, has_bfloat16
from any2bokeh.errors import RefocusError, SettingsError
from any2bokeh.lab.training.initial_network import find_image_encoder, make_network, side_multiple
from any2bokeh.lab.training.records import Records, measure_network
from any2bokeh.lab.training.run_folder import RunFolder, State, load_state, save_state
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.training_settings import RunSettings, TrainingSettings
from any2bokeh.lab.training.windows import Batch, TrainingWindows, open_clips, window_batches
from any2bokeh.progress import ignore
from any2bokeh.settings.device_settings import DeviceName

log = logging.getLogger(__name__)

NOTE_EVERY = 20  # steps, of which the mean loss is noted
OnStep = Callable[[int, int, float], None]  # how many steps are done, of how many, and the last loss


def train(run: RunSettings, folder: RunFolder, device: DeviceName = "auto", on_step: OnStep = ignore) -> Path:
    """Train, or go on with the run in ``folder``; return the checkpoint, which the renderer loads.

    Raises ``RefocusError`` for data, weights and settings that do not fit each other.
    """
    accelerator = make_accelerator(run.training, device)
    state = make_state(run, accelerator.device)
    if folder.state.is_file():
        load_state(state, folder.state)
    elif folder.checkpoint.exists():
        raise SettingsError(
            f"{folder.state} is missing: the run cannot go on.",
            hint=f"A new run can begin with `start={folder.checkpoint}`",
        )
    windows = make_windows(run.data, run.training, state.network)
    steps = count_steps(run.training, windows, accelerator.num_processes)
    log.info("%d steps on %s, %d trained weights.", steps, accelerator.device, state.trained_count)
    network, optimizer = accelerator.prepare(state.network, state.optimizer)
    with (
        _begun(run, folder) if accelerator.is_main_process else nullcontext(),  # now that all fits
        Records(folder, is_main=accelerator.is_main_process) as records,
        _kept_when_stopped(state, folder, accelerator),
    ):
        look = Validation(run, state, records)
        losses: list[float] = []
        if state.step >= steps and accelerator.is_main_process:  # killed after its state was kept
            _write_checkpoint(state, run, folder)
        for loss in _steps(run.training, accelerator, (network, optimizer, state), windows, steps):
            losses.append(loss)
            if accelerator.is_main_process:
                on_step(state.step, steps, loss)
            is_last = state.step == steps
            if state.step % NOTE_EVERY == 0 or is_last:
                rate = run.training.rate(state.step - 1, steps)
                records.note(state.step, loss=sum(losses) / len(losses), learning_rate=rate)
                losses.clear()
            if accelerator.is_main_process and (state.step % run.training.checkpoint_every == 0 or is_last):
                save_state(state, folder.state)
                _write_checkpoint(state, run, folder)
            if accelerator.is_main_process and (state.step % run.training.look_every == 0 or is_last):
                look()
    accelerator.wait_for_everyone()
    return folder.checkpoint


def _write_checkpoint(state: State, run: RunSettings, folder: RunFolder) -> None:
    with averaged(state):
        folder.write_checkpoint(state.network, None if run.start else state.step)


class TrainingError(RefocusError):
    """Training came to numbers that it cannot go on with."""


@contextmanager
def _begun(run: RunSettings, folder: RunFolder) -> Iterator[None]:
    """Keep other runs out of ``folder``, which is made if there is none, and write the settings into it."""
    with writes_to(folder.path, SettingsError):
        folder.path.mkdir(parents=True, exist_ok=True)
    with sole_user(folder.path, SettingsError(f"Another run writes to {folder.path}.")):
        folder.write_settings(run)
        yield


def make_accelerator(settings: TrainingSettings, device: DeviceName) -> Accelerator:
    """Return accelerate's view of the processes and their device, in the precision asked for."""
    chosen = choose_device(device)
    precision = settings.precision
    if precision == "auto":
        has_it = has_bfloat16() if chosen.type == "cpu" else torch.cuda.is_bf16_supported()
        precision = "bf16" if has_it else "no" if chosen.type == "cpu" else "fp16"
    if precision == "fp16" and chosen.type == "cpu":
        raise SettingsError("fp16 is for GPUs.", hint="`training.precision=auto`")
    if chosen.type == "cuda":
        torch.backends.cudnn.benchmark = True  # windows are of one size: the fastest ways are found once
    AcceleratorState._reset_state()  # it outlives a run, and a run before may have had another precision
    return Accelerator(
        mixed_precision=precision,
        gradient_accumulation_steps=settings.accumulate,
        cpu=chosen.type == "cpu",
        # Some published weights have no effect: see SingleKeyAttention.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def make_state(run: RunSettings, device: torch.device) -> State:
    """Return the networks as they begin, on ``device``, and their optimizer."""
    torch.manual_seed(run.training.seed)
    unet, vae, facts = make_network(run.size, run.start)
    encoder = find_image_encoder(facts, device)
    network = TrainedNetwork(unet, vae, facts, run.training, encoder).to(device)
    return State(network, run.training)


def make_windows(data: Path, settings: TrainingSettings, network: TrainedNetwork) -> TrainingWindows:
    """Return the windows of a data set as the network takes them; raises ``DatasetError``."""
    return TrainingWindows(open_clips(data), settings, side_multiple(network.unet, network.vae))


def count_steps(settings: TrainingSettings, windows: TrainingWindows, processes: int) -> int:
    """How many steps the run has."""
    if settings.steps:
        return settings.steps
    return math.ceil(settings.epochs * len(windows) / (settings.batch * settings.accumulate * processes))


Prepared = tuple[torch.nn.Module, torch.optim.Optimizer, State]


def _steps(
    settings: TrainingSettings,
    accelerator: Accelerator,
    prepared: Prepared,
    windows: TrainingWindows,
    steps: int,
) -> Iterator[float]:
    """Take the steps that are left; yield the loss of each."""
    network, optimizer, state = prepared
    numbers = window_numbers(settings, accelerator, state.step, steps)
    coming = iter(window_batches(windows, numbers, settings.workers))
    while state.step < steps:
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(state.step, steps)
        losses = []
        for _ in range(settings.accumulate):
            batch: Batch = next(coming).to(accelerator.device)
            with accelerator.accumulate(network):
                loss: Tensor = network(batch)
                accelerator.backward(loss)
                norm = None
                if accelerator.sync_gradients:
                    largest = settings.clip_gradient or math.inf  # a norm is needed to see what is no number
                    norm = accelerator.clip_grad_norm_(network.parameters(), largest)
                _check_finite(loss, None if accelerator.scaler else norm, state.step + 1)
                state.is_whole = not accelerator.sync_gradients
                optimizer.step()
                optimizer.zero_grad()
            losses.append(loss.detach())
        state.advance()
        yield float(torch.stack(losses).mean())


def _check_finite(loss: Tensor, norm: Tensor | None, step: int) -> None:
    """Raise ``TrainingError`` for a loss or gradients that are not numbers; the weights are as before then.

    In half precision, where gradients are scaled, a step whose gradients are too large is left out anyway.
    """
    for value, what in ((loss, "loss"), (norm, "gradient")):
        if value is not None and not bool(torch.isfinite(torch.as_tensor(value)).all()):
            raise TrainingError(
                f"Training stops at step {step}: the {what} is {value.item()}, and no number.",
                hint="Try a lower `training.learning_rate`, `training.precision=no`, or look at the data:"
                " `resume` goes on from the step before.",
            )


def window_numbers(
    settings: TrainingSettings, accelerator: Accelerator, first: int, steps: int
) -> list[list[int]]:
    """Which windows make each batch of this process, from step ``first`` on."""
    batch, processes, rank = settings.batch, accelerator.num_processes, accelerator.process_index
    begin, end = (step * settings.accumulate for step in (first, steps))
    starts = ((micro * processes + rank) * batch for micro in range(begin, end))
    return [list(range(start, start + batch)) for start in starts]


@contextmanager
def _kept_when_stopped(state: State, folder: RunFolder, accelerator: Accelerator) -> Iterator[None]:
    """Keep the steps that were taken, whatever ends the run: Ctrl-C, or a clip that is damaged."""
    before = state.step
    try:
        yield
    except BaseException:
        if accelerator.is_main_process and state.is_whole and state.step > before and state.is_finite:
            save_state(state, folder.state)
            log.warning("The run is kept up to step %d: `resume` goes on from there.", state.step)
        raise


@contextmanager
def averaged(state: State) -> Iterator[None]:
    """Put the averaged weights, where there are any, in the place of the latest ones."""
    latest = {name: state.trained[name].detach().clone() for name in state.averages}
    with torch.no_grad():
        for name, average in state.averages.items():
            state.trained[name].copy_(average)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, weight in latest.items():
                state.trained[name].copy_(weight)


@dataclass(frozen=True)
class Validation:
    """Looks at how well the network does on clips it is not trained on, or on the first that it is."""

    run: RunSettings
    state: State
    records: Records

    def __call__(self) -> None:
        """Note figures and stills."""
        data = self.run.validation or self.run.data
        shares = (0.0, 1.0) if self.run.training.perturbed else (0.0,)
        with averaged(self.state):
            for perturbed in shares:
                settings = replace(self.run.training, crop=0, flipped=0.0, perturbed=perturbed)
                windows = make_windows(data, settings, self.state.network)
                figures, still = measure_network(self.state.network, windows)
                kind = "perturbed" if perturbed else "true"
                named = {f"{name}/{kind}": value for name, value in figures.items()}
                self.records.note(self.state.step, **named)
                self.records.show(self.state.step, f"disparity/{kind}", still)
