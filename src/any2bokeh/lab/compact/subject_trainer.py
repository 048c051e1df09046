"""The training run of the network that finds a subject: its decoder learns, the depth network is frozen."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from any2bokeh.depth.compact import WEIGHTS, CompactNetwork
from any2bokeh.device import has_bfloat16
from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.batches import BatchSettings
from any2bokeh.lab.compact.learning_run import CHECKPOINT, LearningRun, learn_from, soften_residuals
from any2bokeh.lab.compact.subject_batches import SubjectBatch, SubjectBatches, SubjectTask, subject_batches
from any2bokeh.lab.run_state import rate_share
from any2bokeh.subject.click_network import (
    CELL_PX,
    ClickDims,
    ClickNetwork,
    FoundMask,
    Memory,
    Prompt,
    SeenCells,
)
from any2bokeh.weights.checkpoint import load_weights

QUALITY_SHARE = 0.2  # of the loss
SETTLING = 16  # pairs of pictures from which the first figures are taken


@dataclass(frozen=True, kw_only=True)
class SubjectTrainingSettings:
    """A run of ``steps`` batches of ``data``, from the weights in ``start``, or random ones.

    ``depth`` are the weights of the depth network, which does not learn. The rate rises over ``warmup``
    steps, stays, and falls to 0 over the last ``cooldown``.
    """

    steps: int
    cooldown: int
    data: BatchSettings
    start: Path | None = None
    depth: Path | None = WEIGHTS
    warmup: int = 100
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    average: float = 0.99
    checkpoint_every: int = 50
    in_background: bool = True
    dims: ClickDims = field(default_factory=ClickDims)

    def __post_init__(self) -> None:
        if not (self.steps > 0 and 0 <= self.cooldown <= self.steps):
            raise SettingsError(f"The cooldown must be 0 to {self.steps} steps, got {self.cooldown}.")


class SubjectTraining(LearningRun):
    """The networks of a run, and how far it has come."""

    network: ClickNetwork
    averaged: ClickNetwork

    def __init__(self, settings: SubjectTrainingSettings) -> None:
        torch.manual_seed(settings.data.seed)
        self.settings = settings
        depth = CompactNetwork(settings.dims.depth)
        if settings.depth:
            load_weights(depth, settings.depth, dtype=torch.float32)
        depth.eval().requires_grad_(False)
        self.depth = depth.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(first_decoder(settings), ClickNetwork(settings.dims), settings.average)
        groups = [
            {
                "params": [weight for weight in self.learning.values() if (weight.ndim > 1) == is_decayed],
                "weight_decay": settings.weight_decay if is_decayed else 0.0,
            }
            for is_decayed in (True, False)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)

    def settle(self) -> None:
        """Take the mean and the deviation of features from a few pictures of the run."""
        batches = SubjectBatches(replace(self.settings.data, length=SETTLING), 1)
        with torch.no_grad():
            view = self.depth.look(batches[0].pictures)
            self.network.settle(view)
            self.averaged.settle(view)

    def learn(self, batch: SubjectBatch) -> dict[str, float]:
        """Take one step on a batch; return the loss before it, and the mean IoU of either task."""
        settings = self.settings
        share = rate_share(self.step, settings.steps, warmup=settings.warmup, cooldown=settings.cooldown)
        for group in self.optimizer.param_groups:
            group["lr"] = share * settings.learning_rate
        click, follow = answers(self.depth, self.network, batch)
        click_loss, click_overlap = subject_loss(click, batch.click)
        follow_loss, follow_overlap = subject_loss(follow, batch.follow)
        loss = self.descend(click_loss + follow_loss)
        return {"loss": loss, "click": click_overlap, "follow": follow_overlap}


def answers(depth: CompactNetwork, network: ClickNetwork, batch: SubjectBatch) -> tuple[FoundMask, FoundMask]:
    """Return what a network answers to both tasks of a batch."""
    pictures = batch.pictures.contiguous(memory_format=torch.channels_last)
    half = len(pictures) // 2
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        with torch.no_grad():
            view = depth.look(pictures)
        seen = network.see(view, batch.motion)
        click = network(seen, look_again(network, seen, batch.click), None)
        # Each moment is followed from the other.
        keys = seen.keys.flatten(2).roll(half, 0)
        shares = avg_pool2d(batch.shares, CELL_PX // 2).flatten(1).roll(half, 0)
        follow = network(seen, Prompt(batch.follow.marks, batch.follow.follows), Memory(keys, shares))
    return click, follow


def look_again(network: ClickNetwork, seen: SeenCells, task: SubjectTask) -> Prompt:
    """Return the prompt of a click, in which each last mask is the network's answer without one.

    So it learns to mend its own first look, and how good that is; ``task`` says where there is a last mask.
    """
    again = task.follows.nonzero()[:, 0]
    if not len(again):
        return Prompt(task.marks, task.follows)
    marks = task.marks.clone()
    first = marks[again]
    first[:, 2] = 0
    levels = [level[again] for level in seen.levels]
    cells = SeenCells(levels, seen.keys[again], seen.disparity[again], seen.motion[again])
    with torch.no_grad():
        found = network(cells, Prompt(first, torch.zeros_like(task.follows[again])), None)
    marks[again, 2] = found.mask[:, 0].float().sigmoid().to(marks.dtype)
    return Prompt(marks, task.follows)


def subject_loss(found: FoundMask, task: SubjectTask) -> tuple[Tensor, float]:
    """Return the loss of one task, and the mean IoU of the masks that are not empty."""
    mask, truth = found.mask.float(), task.truth
    counts = task.counts / task.counts.sum().clamp(min=1)
    cross = binary_cross_entropy_with_logits(mask, truth, reduction="none").mean((1, 2, 3))
    share = mask.sigmoid()
    both, either = (share * truth).sum((1, 2, 3)), (share + truth - share * truth).sum((1, 2, 3))
    there = (truth.sum((1, 2, 3)) > 0).float()
    overlap_loss = there * (1 - (both + 1) / (either + 1))
    overlap = overlap_with(found, truth)
    quality = binary_cross_entropy_with_logits(found.quality.float(), overlap, reduction="none")
    loss = (counts * (2 * cross + overlap_loss + QUALITY_SHARE * quality)).sum()
    looked_at = there * task.counts
    return loss, float((overlap * looked_at).sum() / looked_at.sum().clamp(min=1))


def overlap_with(found: FoundMask, truth: Tensor) -> Tensor:
    """Return the IoU ``B`` of masks with the true ones ``B 1 h w``; 0 where both are empty."""
    inside, wanted = found.mask.detach() > 0, truth > 0.5
    return (inside & wanted).sum((1, 2, 3)) / (inside | wanted).sum((1, 2, 3)).clamp(min=1)


def first_decoder(settings: SubjectTrainingSettings) -> ClickNetwork:
    """Return the network as a run begins with it."""
    network = ClickNetwork(settings.dims)
    if settings.start:
        load_weights(network, settings.start, dtype=torch.float32)
        return network
    soften_residuals(network.blocks, network.around)
    return network


def train_subject(settings: SubjectTrainingSettings, folder: Path) -> SubjectTraining:
    """Train, or go on with the run in ``folder``; its journal says how it went."""
    folder.mkdir(parents=True, exist_ok=True)
    training = SubjectTraining(settings)
    if (folder / CHECKPOINT).exists():
        training.load(folder / CHECKPOINT)
    elif not settings.start:
        training.settle()
    batches = subject_batches(
        settings.data, training.step, settings.steps, in_background=settings.in_background
    )
    learn_from(batches, training.learn, training, folder, settings.steps, settings.checkpoint_every)
    return training
