"""The folder of a run: its settings, the state that it goes on from, and the checkpoint."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import tomlkit
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from any2bokeh.atomic import partial_file, partial_folder, writes_to
from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.run_state import read_run_state, write_run_state
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.training_settings import RunSettings, TrainingSettings, make_settings, read_toml
from any2bokeh.paths import is_folder
from any2bokeh.weights.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from any2bokeh.weights.disk import FACTS_FILE, sha256_of, write_manifest
from any2bokeh.weights.tensors import TensorFile, part_of, write_half

SETTINGS, STATE, JOURNAL, CHECKPOINT = "settings.toml", "state.safetensors", "journal.jsonl", "checkpoint"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # the state that AdamW keeps for each weight
EARLY_STEPS = 10  # in which the average still forgets quickly where it began


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def state(self) -> Path:
        """Where a run goes on from."""
        return self.path / STATE

    @property
    def checkpoint(self) -> Path:
        """The checkpoint, which the renderer loads."""
        return self.path / CHECKPOINT

    def check_new(self) -> None:
        """Raise ``SettingsError`` if there is a run in it that has come somewhere, or something else."""
        if not is_folder(self.path):
            if os.path.lexists(self.path):
                raise SettingsError(f"{self.path} is a file, not a folder for a run.")
            with writes_to(self.path, SettingsError):
                self.path.exists()  # it does not, unless its name is too long to ask
            return
        if self.state.exists() or self.checkpoint.exists():
            raise SettingsError(f"There is a run in {self.path}.", hint="`resume`, or another folder")
        if os.path.lexists(self.path / SETTINGS):
            try:
                self.read_settings()
            except SettingsError as error:
                raise SettingsError(
                    f"{self.path / SETTINGS} is not of a run, and is not replaced: {error.message}",
                    hint="Choose another folder for the run.",
                ) from error

    def write_settings(self, run: RunSettings) -> None:
        """Write the settings of the run, all of them; makes the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        with partial_file(self.path / SETTINGS, overwrite=True) as partial:
            partial.write_text(tomlkit.dumps(_plain(asdict(run))), encoding="utf-8")

    def read_settings(self) -> RunSettings:
        """Return the settings of the run; raises ``SettingsError`` if there is none."""
        if not (self.path / SETTINGS).is_file():
            raise SettingsError(f"There is no run in {self.path} to go on with.")
        return make_settings(RunSettings, read_toml(self.path / SETTINGS))

    def write_checkpoint(self, network: TrainedNetwork, trained_steps: int | None = None) -> None:
        """Write the folder that ``--weights`` takes, in half precision; it appears when it is complete.

        ``trained_steps`` counts those since its weights were random; ``None`` where it started from others.
        """
        with partial_folder(self.checkpoint, overwrite=True, error_class=WeightsError) as partial:
            hashes = {}
            for name, part, config in (
                ("unet", network.unet, network.unet.dims.to_config()),
                ("vae", network.vae, network.vae.dims.to_config()),
            ):
                (partial / name).mkdir()
                (partial / name / CONFIG_FILE).write_text(
                    json.dumps(config, indent=2) + "\n", encoding="utf-8"
                )
                written = write_half(partial / name / WEIGHTS_FILE, _tensors(name, part))
                hashes[f"{name}/{WEIGHTS_FILE}"] = written.sha256
                hashes[f"{name}/{CONFIG_FILE}"] = sha256_of(partial / name / CONFIG_FILE)
            facts = replace(network.facts, trained_steps=trained_steps)
            (partial / FACTS_FILE).write_text(facts.to_json(), encoding="utf-8")
            write_manifest(partial, hashes)


def _tensors(name: str, part: nn.Module) -> TensorFile:
    """The weights of a part, as they are read from a file."""
    state = part.state_dict()
    shapes = {key: list(value.shape) for key, value in state.items()}
    return TensorFile(name, shapes, lambda key: state[key].cpu())


def _plain(value: Any) -> Any:
    """As TOML has it: paths are texts, and unset values are left out."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


class State:
    """The network, its optimizer, the moving average of its weights, and how many steps it has taken."""

    def __init__(self, network: TrainedNetwork, settings: TrainingSettings) -> None:
        self.network, self.step = network, 0
        self.is_whole = True  # not while a step changes the weights: then nothing is kept of it
        self.trained = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.trained.values(),
            lr=settings.learning_rate,
            betas=(0.9, settings.beta2),
            weight_decay=settings.weight_decay,
        )
        self._kept = settings.average
        self.averages: dict[str, Tensor] = {}
        if settings.average:
            self.averages = {name: weight.detach().clone() for name, weight in self.trained.items()}

    @property
    def trained_count(self) -> int:
        """How many numbers are trained."""
        return sum(weight.numel() for weight in self.trained.values())

    @property
    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(torch.isfinite(weight).all()) for weight in self.trained.values())

    @torch.no_grad()
    def advance(self) -> None:
        """Count a step that was taken, and move the average towards the weights."""
        self.step += 1
        if self.averages:
            kept = min(self._kept, (1 + self.step) / (EARLY_STEPS + self.step))
            move_averages = get_ema_multi_avg_fn(kept)
            move_averages(list(self.averages.values()), list(self.trained.values()), self.step)
        self.is_whole = True


def save_state(state: State, path: Path) -> None:
    """Write everything needed to go on, under its name only when it is complete."""
    tensors = {f"network.{name}": weight for name, weight in state.network.state_dict().items()}
    tensors |= {f"average.{name}": weight for name, weight in state.averages.items()}
    for name, weight in state.trained.items():
        for moment, value in state.optimizer.state.get(weight, {}).items():
            tensors[f"optimizer.{moment}.{name}"] = value
    write_run_state(path, state.step, tensors)


def load_state(state: State, path: Path) -> None:
    """Go on from the state of ``save_state``; raises ``WeightsError`` if it does not fit or is damaged."""
    state.step, tensors = read_run_state(path)
    if wrong := next((name for name, value in tensors.items() if not torch.isfinite(value).all()), None):
        raise WeightsError(
            f"The run cannot go on from {path}: {wrong} holds values that are no numbers.",
            hint="Go on from an earlier copy, or begin anew with a lower `training.learning_rate`.",
        )
    try:
        state.network.load_state_dict(part_of(tensors, "network."))
    except RuntimeError as error:
        raise WeightsError(f"The run cannot go on from {path}: {error}") from error
    for name, average in state.averages.items():
        average.copy_(tensors.get(f"average.{name}", state.trained[name].detach()))
    for name, weight in state.trained.items():
        if f"optimizer.step.{name}" not in tensors:  # it had no gradient yet
            continue
        moments = {moment: tensors[f"optimizer.{moment}.{name}"] for moment in MOMENTS}
        on_device = {moment: value.to(weight.device) for moment, value in moments.items()}
        state.optimizer.state[weight] = on_device | {"step": moments["step"]}
