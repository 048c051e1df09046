"""A run of training: weights that learn, their average, checkpoints to go on from, weights that ship."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from any2bokeh.depth.compact import Residual
from any2bokeh.errors import WeightsError
from any2bokeh.lab.run_state import add_to_journal, read_run_state, write_run_state
from any2bokeh.lab.tensor_files import write_tensors
from any2bokeh.weights.tensors import part_of

Batch = TypeVar("Batch")
log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.safetensors"
JOURNAL = "journal.jsonl"
WEIGHTS_FILE = "weights.safetensors"
AVERAGE_EVERY = 4  # steps
RESIDUAL_SHARE = 0.3  # of usual first weights: residuals begin as little more than what they are added to


class LearningRun:
    """A network that learns, and the mean of its weights; ``average`` is the share of it that is kept."""

    optimizer: torch.optim.Optimizer

    def __init__(self, network: nn.Module, averaged: nn.Module, average: float) -> None:
        averaged.load_state_dict(network.state_dict())
        self.averaged = averaged.eval()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learning = {
            name: weight for name, weight in self.network.named_parameters() if weight.requires_grad
        }
        self.step = 0
        self._keep = average

    def descend(self, loss: Tensor) -> float:
        """Change the weights by one step that lowers ``loss``, which is returned."""
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.learning.values(), 2.0)
        self.optimizer.step()
        self.step += 1
        if self.step % AVERAGE_EVERY == 0:
            self._average()
        return float(loss.detach())

    def _average(self) -> None:
        keep = min(self._keep, self.step / (10 * AVERAGE_EVERY + self.step))
        averages = dict(self.averaged.named_parameters())
        with torch.no_grad():
            for name, weight in self.learning.items():
                averages[name].lerp_(weight, 1 - keep)

    def save(self, folder: Path) -> None:
        """Write the state needed to go on, and the averaged weights as they ship."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for name, parameter in self.learning.items():
            for kind, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{kind}.{name}"] = value
        write_run_state(folder / CHECKPOINT, self.step, tensors)
        write_weights(self.averaged.state_dict(), folder / WEIGHTS_FILE)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; raises ``WeightsError`` if it is damaged or of another network."""
        self.step, tensors = read_run_state(path)
        try:
            self.network.load_state_dict(part_of(tensors, "network."))
            self.averaged.load_state_dict(part_of(tensors, "averaged."))
        except RuntimeError as error:
            raise WeightsError(f"The checkpoint {path} belongs to another network: {error}") from error
        for name, parameter in self.learning.items():
            state = {kind: tensors[f"optimizer.{kind}.{name}"] for kind in ("step", "exp_avg", "exp_avg_sq")}
            # The fused optimizer takes it that all lie in memory as the weights do.
            moments = {kind: torch.empty_like(parameter).copy_(state[kind]) for kind in list(state)[1:]}
            self.optimizer.state[parameter] = {"step": state["step"], **moments}


def learn_from(
    batches: Iterable[Batch],
    learn: Callable[[Batch], dict[str, float]],
    run: LearningRun,
    folder: Path,
    steps: int,
    checkpoint_every: int,
) -> None:
    """Let a run learn from batches; its checkpoints are in ``folder``, and the journal with mean figures."""
    started, figures = time.monotonic(), list[dict[str, float]]()
    for batch in batches:
        figures.append(learn(batch))
        if run.step % checkpoint_every == 0 or run.step == steps:
            entry = {"step": float(run.step)}
            entry |= {name: round(sum(one[name] for one in figures) / len(figures), 4) for name in figures[0]}
            entry["seconds"] = round(time.monotonic() - started)
            figures.clear()
            run.save(folder)
            log.info("%s", entry)
            add_to_journal(folder / JOURNAL, entry)


def soften_residuals(blocks: Iterable[nn.Module], attentions: nn.Module) -> None:
    """Let residual blocks and attention begin as little more than what they are added to."""
    with torch.no_grad():
        for block in blocks:
            assert isinstance(block, Residual) and block.second.bias is not None
            block.second.weight.mul_(RESIDUAL_SHARE)
            block.second.bias.zero_()
        for name, weight in attentions.named_parameters():
            if ".out." in name or ".mlp.2." in name:
                weight.zero_()


def write_weights(state: dict[str, Tensor], path: Path) -> None:
    """Write weights in half precision, as ``any2bokeh.weights.checkpoint`` loads them."""
    write_tensors(path, {key: value.to(torch.float16).contiguous() for key, value in state.items()})
