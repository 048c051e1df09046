"""The training run of the network that corrects the lens."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from any2bokeh.device import has_bfloat16
from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.correction_batches import (
    CorrectionBatch,
    CorrectionBatchSettings,
    correction_batches,
)
from any2bokeh.lab.compact.learning_run import CHECKPOINT, LearningRun, learn_from
from any2bokeh.lab.run_state import rate_share
from any2bokeh.render.small.correction import correction_cells, correction_share
from any2bokeh.render.small.correction_network import WIDTHS, CorrectionNetwork
from any2bokeh.weights.checkpoint import load_weights

LEAST_ERROR = 1e-4  # squared, of code values: 40 dB; where the lens comes nearer, gains count for less
LEAST_CHANGE_ERROR = 1e-3  # of code values


@dataclass(frozen=True, kw_only=True)
class CorrectionTrainingSettings:
    """A run of ``steps`` batches of ``data``, from the weights in ``start`` or random ones.

    The learning rate rises over ``warmup`` steps, stays, and falls to 0 over the last ``cooldown``.
    ``motion_share`` of the loss is the error of the change from frame to frame.
    """

    steps: int
    cooldown: int
    data: CorrectionBatchSettings
    start: Path | None = None
    warmup: int = 200
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    motion_share: float = 0.4
    average: float = 0.99  # of the weights: the share of the old average kept at each change
    checkpoint_every: int = 100
    widths: tuple[int, ...] = WIDTHS

    def __post_init__(self) -> None:
        if not (self.steps > 0 and 0 <= self.cooldown <= self.steps):
            raise SettingsError(f"The cooldown must be 0 to {self.steps} steps, got {self.cooldown}.")


class CorrectionTraining(LearningRun):
    """The network of a run, and how far it has come."""

    network: CorrectionNetwork

    def __init__(self, settings: CorrectionTrainingSettings) -> None:
        torch.manual_seed(settings.data.seed)
        self.settings = settings
        network = CorrectionNetwork(settings.widths)
        if settings.start:
            load_weights(network, settings.start, dtype=torch.float32)
        super().__init__(network, CorrectionNetwork(settings.widths), settings.average)
        self.optimizer = torch.optim.AdamW(
            self.learning.values(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def learn(self, batch: CorrectionBatch) -> dict[str, float]:
        """Take one step on a batch; return the errors before it, as shares of the lens's."""
        settings = self.settings
        share = rate_share(self.step, settings.steps, warmup=settings.warmup, cooldown=settings.cooldown)
        for group in self.optimizer.param_groups:
            group["lr"] = share * settings.learning_rate
        error, change = relative_errors(corrected(self.network, batch), batch)
        self.descend(torch.lerp(error, change, settings.motion_share))
        return {"error": float(error.detach()), "change": float(change.detach())}


def corrected(network: CorrectionNetwork, batch: CorrectionBatch) -> Tensor:
    """Return the lens's pictures of a batch with the network's correction, ``B T 3 H W``.

    It counts fully near steps as well: the network would make up for a share.
    """
    view = batch.view
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        correction = network(view)
    share = correction_share(correction_cells(view))
    pictures: Tensor = view.through_lens + share * correction
    return pictures.view_as(batch.truth)


def relative_errors(pictures: Tensor, batch: CorrectionBatch) -> tuple[Tensor, Tensor]:
    """Return how far pictures ``B T 3 H W`` are from the ground truth, as shares of the lens's distance.

    First the mean squared error, crop by crop, as PSNR counts it: a gain of g dB is ``10 ** (-g / 10)``,
    be the crop hard or easy. Then the error of the change from one frame to the next, as RM counts it.
    """

    def squared(shown: Tensor) -> Tensor:
        return (shown - batch.truth).square().flatten(1).mean(1) + LEAST_ERROR

    def of_change(shown: Tensor) -> Tensor:
        return (shown - batch.truth).diff(dim=1).abs().flatten(1).mean(1) + LEAST_CHANGE_ERROR

    lens = batch.view.through_lens.view_as(batch.truth)
    first, second = ((measure(pictures) / measure(lens)).mean() for measure in (squared, of_change))
    return first, second


def train_correction(settings: CorrectionTrainingSettings, folder: Path) -> CorrectionTraining:
    """Train, or go on with the run in ``folder``; its journal says how it went."""
    folder.mkdir(parents=True, exist_ok=True)
    training = CorrectionTraining(settings)
    if (folder / CHECKPOINT).exists():
        training.load(folder / CHECKPOINT)
    batches = correction_batches(settings.data, training.step, settings.steps)
    learn_from(batches, training.learn, training, folder, settings.steps, settings.checkpoint_every)
    return training
