"""The training run: steps, checkpoints to go on from, and the weights that ship."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from any2bokeh.depth.compact import CompactDims, CompactNetwork
from any2bokeh.device import has_bfloat16
from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.compact.batches import BatchSettings, depth_batches
from any2bokeh.lab.compact.imagenet import load_imagenet
from any2bokeh.lab.compact.learning_run import (
    CHECKPOINT,
    JOURNAL,
    LearningRun,
    soften_residuals,
)
from any2bokeh.lab.compact.scale_free import depth_loss
from any2bokeh.lab.run_state import add_to_journal, rate_share
from any2bokeh.weights.checkpoint import load_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CompactTrainingSettings:
    """A run of ``steps`` batches of ``data``.

    It begins with the weights in ``start``, or those in ``imagenet`` and a random decoder.
    The encoder's stem and its first ``frozen`` stages keep their weights; the others learn at
    ``encoder_rate``, the decoder at ``learning_rate``. Rates rise over ``warmup`` steps, stay, and fall to 0
    over the last ``cooldown``.
    """

    steps: int
    cooldown: int
    data: BatchSettings
    start: Path | None = None
    imagenet: Path | None = None
    frozen: int = 7
    warmup: int = 100
    learning_rate: float = 1e-3
    encoder_rate: float = 1.5e-4
    weight_decay: float = 0.02
    average: float = 0.99  # of the weights: the share of the old average kept at each change
    checkpoint_every: int = 100
    in_background: bool = True  # batches are read by a second process
    dims: CompactDims = field(default_factory=CompactDims)

    def __post_init__(self) -> None:
        if not (self.steps > 0 and 0 <= self.cooldown <= self.steps):
            raise SettingsError(f"The cooldown must be 0 to {self.steps} steps, got {self.cooldown}.")
        if not 0 <= self.frozen <= len(self.dims.stages):
            raise SettingsError(f"There are {len(self.dims.stages)} stages to freeze, got {self.frozen}.")


class CompactTraining(LearningRun):
    """The networks of a run, and how far it has come."""

    network: CompactNetwork

    def __init__(self, settings: CompactTrainingSettings) -> None:
        torch.manual_seed(settings.data.seed)
        self.settings = settings
        network, averaged = first_network(settings), CompactNetwork(settings.dims)
        for part in (network.encoder.stem, *network.encoder.stages[: settings.frozen]):
            part.requires_grad_(False)
        super().__init__(network, averaged, settings.average)
        groups = []
        for is_encoder, rate in ((True, settings.encoder_rate), (False, settings.learning_rate)):
            for is_decayed in (True, False):
                weights = [
                    weight
                    for name, weight in self.learning.items()
                    if name.startswith("encoder.") == is_encoder and (weight.ndim > 1) == is_decayed
                ]
                decay = settings.weight_decay if is_decayed else 0.0
                groups += (
                    [{"params": weights, "lr": rate, "full": rate, "weight_decay": decay}] if weights else []
                )
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)

    def rate_share(self) -> float:
        """Return the share of its full learning rate that the next step has."""
        settings = self.settings
        return rate_share(self.step, settings.steps, warmup=settings.warmup, cooldown=settings.cooldown)

    def learn(self, pictures: Tensor, truth: Tensor, known: Tensor) -> float:
        """Take one step on a batch; return the loss before it."""
        share = self.rate_share()
        for group in self.optimizer.param_groups:
            group["lr"] = share * group["full"]
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
            guess = self.network(pictures.contiguous(memory_format=torch.channels_last))
        points = torch.Generator().manual_seed(self.step)
        loss = depth_loss(guess.float(), truth, known, points)
        return self.descend(loss)


def first_network(settings: CompactTrainingSettings) -> CompactNetwork:
    """Return the network as a run begins with it."""
    network = CompactNetwork(settings.dims)
    if settings.start:
        load_weights(network, settings.start, dtype=torch.float32)
        return network
    soften_residuals((network.refine, *network.blocks), network.around)
    if settings.imagenet:
        load_imagenet(network.encoder, settings.imagenet)
    return network


def train_compact(settings: CompactTrainingSettings, folder: Path) -> CompactTraining:
    """Train, or go on with the run in ``folder``; its journal says how it went."""
    folder.mkdir(parents=True, exist_ok=True)
    training = CompactTraining(settings)
    if (folder / CHECKPOINT).exists():
        training.load(folder / CHECKPOINT)
    started, losses = time.monotonic(), list[float]()
    batches = depth_batches(
        settings.data, training.step, settings.steps, in_background=settings.in_background
    )
    for batch in batches:
        losses.append(training.learn(*batch))
        if training.step % settings.checkpoint_every == 0 or training.step == settings.steps:
            entry = {"step": training.step, "loss": round(sum(losses) / len(losses), 4)}
            entry["seconds"] = round(time.monotonic() - started)
            losses.clear()
            training.save(folder)
            log.info("%s", entry)
            add_to_journal(folder / JOURNAL, entry)
    return training


def mean_weights(files: Sequence[tuple[Path, float]]) -> dict[str, Tensor]:
    """Return weights averaged one by one; the shares of the files sum to 1.

    Weights that were fine-tuned know the scenes, those they started from still know the world: between
    them lies a network that knows both (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
    """
    total = sum(share for _, share in files)
    if abs(total - 1) > 1e-6:
        raise SettingsError(f"The shares of the weights must sum to 1, got {total:g}.")
    states = [(load_file(path), share) for path, share in files]
    names = states[0][0].keys()
    if any(state.keys() != names for state, _ in states):
        raise WeightsError("The weights to be averaged are of different networks.")
    return {name: sum(share * state[name].float() for state, share in states) for name in names}  # type: ignore[misc]
