"""The training run: steps, checkpoints to go on from, measurements on the way, and the file that ships."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from any2bokeh.atomic import partial_file
from any2bokeh.depth.compact import CompactDims, CompactNetwork
from any2bokeh.device import has_bfloat16
from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.compact.pairs import (
    VALIDATION,
    DataSettings,
    PairBatch,
    develop_pair,
    pair_batches,
    render_pair,
)
from any2bokeh.lab.compact.scale_free import depth_loss, fitted_error, rank_correlation
from any2bokeh.lab.run_state import add_to_journal, rate_share, read_run_state, write_run_state
from any2bokeh.weights.tensors import part_of

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.safetensors"
JOURNAL = "journal.jsonl"
AVERAGE_EVERY = 4  # steps
VALIDATION_SIZE = 96, 160


@dataclass(frozen=True, kw_only=True)
class CompactTrainingSettings:
    """A run of ``steps`` batches.

    The learning rate rises over ``warmup`` steps, stays, and falls to 0 over the last ``cooldown``: the end
    can be chosen while the run is under way, as the hours that are left allow.
    """

    steps: int
    cooldown: int
    warmup: int = 200
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    average: float = 0.99  # of the weights: the share of the old average kept at each change
    checkpoint_every: int = 200
    measure_every: int = 500
    validation_pairs: int = 24
    in_background: bool = True  # batches are made by a second process
    data: DataSettings = field(default_factory=DataSettings)
    dims: CompactDims = field(default_factory=CompactDims)

    def __post_init__(self) -> None:
        if not (self.steps > 0 and 0 <= self.cooldown <= self.steps):
            raise SettingsError(f"The cooldown must be 0 to {self.steps} steps, got {self.cooldown}.")


class CompactTraining:
    """The networks of a run, and how far it has come."""

    def __init__(self, settings: CompactTrainingSettings) -> None:
        torch.manual_seed(settings.data.seed)
        self.settings = settings
        self.network = CompactNetwork(settings.dims)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = CompactNetwork(settings.dims)
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.eval()
        decayed = [weight for weight in self.network.parameters() if weight.ndim > 1]
        others = [weight for weight in self.network.parameters() if weight.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0},
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step = 0

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        settings = self.settings
        return settings.learning_rate * rate_share(
            self.step, settings.steps, warmup=settings.warmup, cooldown=settings.cooldown
        )

    def learn(self, pictures: Tensor, motion: Tensor, truth: Tensor) -> float:
        """Take one step on a batch of ``Pairs``; return the loss before it."""
        # While the rate falls, pictures are normalized as they will be later: by the mean over all batches,
        # not over their own, which is of few scenes.
        self.network.train(self.step < self.settings.steps - self.settings.cooldown)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
            guess = self.network(pictures.contiguous(memory_format=torch.channels_last), motion)
        loss = depth_loss(guess.float(), truth[:, :, ::2, ::2])
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        if self.step % AVERAGE_EVERY == 0:
            self._average()
        return float(loss.detach())

    def _average(self) -> None:
        """Move the average towards the weights; at first quickly, so that it forgets where they began."""
        keep = min(self.settings.average, self.step / (10 * AVERAGE_EVERY + self.step))
        states = self.averaged.state_dict(), self.network.state_dict()
        with torch.no_grad():
            for name, average in states[0].items():
                new = states[1][name]
                average.lerp_(new, 1 - keep) if average.is_floating_point() else average.copy_(new)

    def save(self, path: Path) -> None:
        """Write the state needed to go on, under its name only when it is complete."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for kind, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{kind}.{name}"] = value
        write_run_state(path, self.step, tensors)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; raises ``WeightsError`` if it is damaged or of another network."""
        self.step, tensors = read_run_state(path)
        try:
            self.network.load_state_dict(part_of(tensors, "network."))
            self.averaged.load_state_dict(part_of(tensors, "averaged."))
        except RuntimeError as error:
            raise WeightsError(f"The checkpoint {path} belongs to another network: {error}") from error
        for name, parameter in self.network.named_parameters():
            state = {kind: tensors[f"optimizer.{kind}.{name}"] for kind in ("step", "exp_avg", "exp_avg_sq")}
            # The fused optimizer takes it that all lie in memory as the weights do.
            moments = {kind: torch.empty_like(parameter).copy_(state[kind]) for kind in list(state)[1:]}
            self.optimizer.state[parameter] = {"step": state["step"], **moments}


def train_compact(settings: CompactTrainingSettings, folder: Path) -> CompactTraining:
    """Train, or go on with the run in ``folder``; its journal says how it went."""
    folder.mkdir(parents=True, exist_ok=True)
    training = CompactTraining(settings)
    if (folder / CHECKPOINT).exists():
        training.load(folder / CHECKPOINT)
    started, losses = time.monotonic(), list[float]()
    for batch in pair_batches(
        settings.data, training.step, settings.steps, in_background=settings.in_background
    ):
        losses.append(training.learn(*batch))
        is_last = training.step == settings.steps
        if training.step % settings.checkpoint_every == 0 or is_last:
            entry = {"step": training.step, "loss": round(sum(losses) / len(losses), 4)}
            entry["seconds"] = round(time.monotonic() - started)
            losses.clear()
            if training.step % settings.measure_every == 0 or is_last:
                entry |= measure_compact(training.averaged, settings)
            training.save(folder / CHECKPOINT)
            log.info("%s", entry)
            add_to_journal(folder / JOURNAL, entry)
    return training


def measure_compact(network: nn.Module, settings: CompactTrainingSettings) -> dict[str, float]:
    """Return the mean error and rank correlation on scenes kept apart, and those of a vertical ramp."""
    ramp = torch.linspace(0, 1, VALIDATION_SIZE[0])[:, None].expand(VALIDATION_SIZE)
    found: dict[str, list[float]] = {"error": [], "rank": [], "ramp_error": [], "ramp_rank": []}
    network.eval()
    for pictures, motion, truth in validation_pairs(settings):
        with torch.no_grad():
            guess = interpolate(network(pictures, motion), VALIDATION_SIZE, mode="bilinear")
        for frame, right in zip(guess[:, 0], truth[:, 0], strict=True):
            found["error"].append(fitted_error(frame, right))
            found["rank"].append(rank_correlation(frame, right))
            found["ramp_error"].append(fitted_error(ramp, right))
            found["ramp_rank"].append(rank_correlation(ramp, right))
    return {name: round(sum(values) / len(values), 4) for name, values in found.items()}


def validation_pairs(settings: CompactTrainingSettings) -> Iterator[PairBatch]:
    """Yield pairs of scenes that no training sees."""
    for number in range(settings.validation_pairs):
        seed = VALIDATION + number
        yield develop_pair(render_pair(seed, VALIDATION_SIZE), VALIDATION_SIZE, seed)


def fold(network: CompactNetwork, dims: CompactDims) -> CompactNetwork:
    """Return the network with its learned normalizations folded into its weights."""
    state: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            convolution, norm = module[0], module[1]
            assert isinstance(convolution, nn.Conv2d) and norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            state[f"{name}.0.weight"] = convolution.weight * scale[:, None, None, None]
            state[f"{name}.0.bias"] = norm.bias - norm.running_mean * scale
    result = CompactNetwork(dims, folded=True)
    own = network.state_dict()
    state |= {key: own[key] for key in result.state_dict() if key not in state}
    result.load_state_dict({key: value.detach().contiguous() for key, value in state.items()})
    return result.eval()


def write_weights(network: CompactNetwork, dims: CompactDims, path: Path) -> None:
    """Write the folded weights in half precision, as ``any2bokeh.depth.compact`` loads them."""
    state = fold(network, dims).state_dict()
    with partial_file(path, overwrite=True, error_class=WeightsError) as partial:
        save_file({key: value.to(torch.float16) for key, value in state.items()}, partial)
