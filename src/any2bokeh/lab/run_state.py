"""Parts that all training runs share: the learning rate over a run, its resumable state, its journal."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from any2bokeh.atomic import writes_to
from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.tensor_files import write_tensors


def rate_share(step: int, steps: int, *, warmup: int, cooldown: int) -> float:
    """Return the share of the full learning rate that a step has, counted from 0, of so many.

    It rises over the first ``warmup`` steps, stays, and falls to 0 over the last ``cooldown``.
    """
    return min((step + 1) / max(warmup, 1), 1) * min((steps - step) / max(cooldown, 1), 1)


def write_run_state(path: Path, step: int, tensors: Mapping[str, Tensor]) -> None:
    """Write the tensors of a run and its step; the file appears under its name when it is complete."""
    # Tensors may share memory or lie in another order, which the format does not take.
    contents = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    write_tensors(path, contents, {"step": str(step)})


def read_run_state(path: Path) -> tuple[int, dict[str, Tensor]]:
    """Return the step and the tensors of a run; raises ``WeightsError`` if the file is damaged."""
    try:
        with safe_open(path, "pt") as file:
            step = int(file.metadata()["step"])
        return step, load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"The run cannot resume from {path}: {error}") from error


def add_to_journal(journal: Path, entry: Mapping[str, float]) -> None:
    """Append figures of a step as a line of JSON."""
    with (
        writes_to(journal, SettingsError),
        open(journal, "a", encoding="utf-8", opener=_open_no_link) as file,
    ):
        file.write(json.dumps(entry) + "\n")


def _open_no_link(path: str, flags: int) -> int:
    """Open a file, but never the one that a link of this name leads to."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
