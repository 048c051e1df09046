"""The folder of a run: its settings, its state, what was noted, and the checkpoint."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomlkit
from torch import nn

from any2bokeh.errors import SettingsError
from any2bokeh.lab.training.model import TrainedNetwork
from any2bokeh.lab.training.training_settings import RunSettings, make_settings, read_toml
from any2bokeh.weights.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from any2bokeh.weights.hashes import sha256_of
from any2bokeh.weights.home import FACTS_FILE
from any2bokeh.weights.manifest import write_manifest
from any2bokeh.weights.tensors import TensorFile, write_half

SETTINGS, STATE, JOURNAL, CHECKPOINT, PICTURES = (
    "settings.toml",
    "state.safetensors",
    "journal.jsonl",
    "checkpoint",
    "pictures",
)


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
        """What the renderer loads."""
        return self.path / CHECKPOINT

    def check_new(self) -> None:
        """Raise ``SettingsError`` if there is a run in it that has come somewhere."""
        if self.path.is_file():
            raise SettingsError(f"{self.path} is a file, not a folder for a run.")
        if self.state.exists() or self.checkpoint.exists():
            raise SettingsError(f"There is a run in {self.path}.", hint="--resume, or another folder")

    def write_settings(self, run: RunSettings) -> None:
        """Write the settings of the run, all of them; makes the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / f"{SETTINGS}.partial"
        partial.write_text(tomlkit.dumps(_plain(asdict(run))), encoding="utf-8")
        partial.replace(self.path / SETTINGS)

    def read_settings(self) -> RunSettings:
        """Return the settings of the run; raises ``SettingsError`` if there is none."""
        if not (self.path / SETTINGS).is_file():
            raise SettingsError(f"There is no run in {self.path} to go on with.")
        return make_settings(RunSettings, read_toml(self.path / SETTINGS))

    def write_checkpoint(self, network: TrainedNetwork) -> None:
        """Write the folder that ``--weights`` takes, in half precision; it appears when it is complete."""
        partial, old = (self.path / f"{CHECKPOINT}.{name}" for name in ("partial", "old"))
        shutil.rmtree(partial, ignore_errors=True)
        hashes = {}
        for name, part, config in (
            ("unet", network.unet, network.unet.dims.to_config()),
            ("vae", network.vae, network.vae.dims.to_config()),
        ):
            (partial / name).mkdir(parents=True)
            (partial / name / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            written = write_half(partial / name / WEIGHTS_FILE, _tensors(name, part))
            hashes[f"{name}/{WEIGHTS_FILE}"] = written.sha256
            hashes[f"{name}/{CONFIG_FILE}"] = sha256_of(partial / name / CONFIG_FILE)
        (partial / FACTS_FILE).write_text(network.facts.to_json(), encoding="utf-8")
        write_manifest(partial, hashes)
        shutil.rmtree(old, ignore_errors=True)
        if self.checkpoint.exists():
            self.checkpoint.rename(old)
        partial.rename(self.checkpoint)
        shutil.rmtree(old, ignore_errors=True)


def _tensors(name: str, part: nn.Module) -> TensorFile:
    """The weights of a part, as they are read from a file."""
    state = part.state_dict()
    shapes = {key: list(value.shape) for key, value in state.items()}
    return TensorFile(name, shapes, lambda key: state[key].cpu())


def _plain(value: Any) -> Any:
    """As TOML has it: paths are texts, and what is not set is left out."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
