"""All that a run is at a step, kept so that it goes on as if it had never stopped."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from any2bokeh.errors import WeightsError
from any2bokeh.lab.training.model import TrainedNetwork
from any2bokeh.lab.training.training_settings import TrainingSettings
from any2bokeh.weights.tensors import part_of

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of each weight
EARLY_STEPS = 10  # in which the average still forgets quickly where it began


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
    """Write all that is needed to go on, under its name only when it is complete."""
    tensors = {f"network.{name}": weight for name, weight in state.network.state_dict().items()}
    tensors |= {f"average.{name}": weight for name, weight in state.averages.items()}
    for name, weight in state.trained.items():
        for moment, value in state.optimizer.state.get(weight, {}).items():
            tensors[f"optimizer.{moment}.{name}"] = value
    partial = path.with_suffix(".partial")
    contents = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    save_file(contents, partial, {"step": str(state.step)})
    partial.replace(path)


def load_state(state: State, path: Path) -> None:
    """Go on from what ``save_state`` wrote; raises ``WeightsError`` if it does not fit or is damaged."""
    try:
        with safe_open(path, "pt") as file:
            state.step = int(file.metadata()["step"])
        tensors = load_file(path)
        state.network.load_state_dict(part_of(tensors, "network."))
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        raise WeightsError(f"The run cannot go on from {path}: {error}") from error
    for name, average in state.averages.items():
        average.copy_(tensors.get(f"average.{name}", state.trained[name].detach()))
    for name, weight in state.trained.items():
        if f"optimizer.step.{name}" not in tensors:  # it had no gradient yet
            continue
        moments = {moment: tensors[f"optimizer.{moment}.{name}"] for moment in MOMENTS}
        on_device = {moment: value.to(weight.device) for moment, value in moments.items()}
        state.optimizer.state[weight] = on_device | {"step": moments["step"]}
