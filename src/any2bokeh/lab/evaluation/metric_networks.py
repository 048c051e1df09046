"""The networks that perceptual metrics need, where their packages and weights are on this machine.

Nothing is downloaded here: a missing network is named, with the command that fetches it.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from any2bokeh.errors import WeightsError, install_hint
from any2bokeh.weights.catalog import VIDEOMAE, find_model, load_catalog
from any2bokeh.weights.download import find_folder

PERCEPTUAL, OPTICAL_FLOW, VIDEO, ACTIONS = "LPIPS", "RAFT", "VideoMAE", "R3D-18"
RAFT_LEAST_PX, RAFT_MULTIPLE = 128, 8  # of a side
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KINETICS_MEAN, KINETICS_DEVIATION = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)

Loaded = TypeVar("Loaded")


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """A network that turns ``frames`` pictures into a row of features, for Fréchet distances.

    ``look`` takes ``T 3 side side`` in 0..1 and gives ``C``; windows begin ``step`` frames apart.
    """

    name: str
    frames: int
    step: int
    side_px: int
    look: Callable[[Tensor], Tensor]

    def fit(self, picture: Tensor) -> Tensor:
        """Return a picture (``3 H W``) at the network's size, whatever its shape was."""
        size = (self.side_px, self.side_px)
        return interpolate(picture[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The networks found; ``missing`` says how to get each of the others, by its name.

    ``lpips`` compares two pictures ``3 H W``; ``raft`` gives the flow between two, ``2 H W`` in pixels.
    """

    lpips: Callable[[Tensor, Tensor], float] | None = None
    raft: Callable[[Tensor, Tensor], Tensor] | None = None
    video: Watcher | None = None
    actions: Watcher | None = None
    missing: dict[str, str] = field(default_factory=dict)


def find_networks(device: torch.device) -> Networks:
    """Load the networks that are on this machine."""
    missing: dict[str, str] = {}
    return Networks(
        lpips=_attempt(missing, PERCEPTUAL, lambda: load_lpips(device)),
        raft=_attempt(missing, OPTICAL_FLOW, lambda: load_raft(device)),
        video=_attempt(missing, VIDEO, lambda: load_videomae(device)),
        actions=_attempt(missing, ACTIONS, lambda: load_r3d(device)),
        missing=missing,
    )


def _attempt(missing: dict[str, str], name: str, load: Callable[[], Loaded]) -> Loaded | None:
    """The result of ``load``, or ``None`` and a note of how to get the network."""
    try:
        return load()
    except WeightsError as error:
        missing[name] = f"{error.message} {error.hint}".strip()
        return None


def load_lpips(device: torch.device) -> Callable[[Tensor, Tensor], float]:
    """LPIPS (Zhang et al. 2018, version 0.1) over SqueezeNet, by torchmetrics: of pictures in -1..1."""
    _check_packages("torchvision", "torchmetrics")
    from torchvision.models import SqueezeNet1_1_Weights

    _weights_file(SqueezeNet1_1_Weights.DEFAULT, "SqueezeNet1_1_Weights")
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity("squeeze", normalize=True).to(device)

    def compare(first: Tensor, second: Tensor) -> float:
        with torch.inference_mode():
            pictures = (picture[None].to(device).clamp(0, 1) for picture in (first, second))
            return float(network(*pictures))

    return compare


def load_raft(device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """RAFT (Teed and Deng 2020), large, with torchvision's default weights; its last iterate."""
    _check_packages("torchvision")
    from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

    path = _weights_file(Raft_Large_Weights.DEFAULT, "optical_flow.Raft_Large_Weights")
    network = _loaded(raft_large(), path).to(device)

    def flow(first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[1:]
        bottom, right = (_room(side) - side for side in (height, width))
        pair = torch.stack([first, second]).to(device).clamp(0, 1) * 2 - 1
        padded = pad(pair, (0, right, 0, bottom), mode="replicate")
        with torch.inference_mode():
            result: Tensor = network(padded[:1], padded[1:])[-1]
        return result[0, :, :height, :width].float().cpu()

    return flow


def load_videomae(device: torch.device) -> Watcher:
    """VideoMAE (Tong et al. 2022), fine-tuned: the features before its classifier, of 16 frames."""
    model = find_model(VIDEOMAE, load_catalog())
    folder = find_folder(model)
    if folder is None:
        raise WeightsError(
            f"{model.repository} is not on this machine.", hint=f"Run `bokeh download-weights {VIDEOMAE}`."
        )
    from transformers import VideoMAEForVideoClassification

    network = VideoMAEForVideoClassification.from_pretrained(folder, use_safetensors=True).eval().to(device)
    mean, deviation = _per_channel(IMAGENET_MEAN, device), _per_channel(IMAGENET_DEVIATION, device)

    def look(pictures: Tensor) -> Tensor:
        with torch.inference_mode():
            values = (pictures.to(device) - mean) / deviation
            tokens = network.videomae(pixel_values=values[None]).last_hidden_state
            pooled = tokens.mean(dim=1) if network.fc_norm is not None else tokens[:, 0]
            features: Tensor = network.fc_norm(pooled) if network.fc_norm is not None else pooled
        return features[0].float().cpu()

    frames, side_px = network.config.num_frames, network.config.image_size
    return Watcher(name=VIDEO, frames=frames, step=frames // 2, side_px=side_px, look=look)


def load_r3d(device: torch.device) -> Watcher:
    """A 3D ResNet of 18 layers (Tran et al. 2018), Kinetics-400: its pooled features of 10 frames."""
    _check_packages("torchvision")
    from torchvision.models.video import R3D_18_Weights, r3d_18

    network = _loaded(r3d_18(), _weights_file(R3D_18_Weights.DEFAULT, "video.R3D_18_Weights"))
    network.fc = nn.Identity()
    network = network.to(device)
    mean, deviation = _per_channel(KINETICS_MEAN, device), _per_channel(KINETICS_DEVIATION, device)

    def look(pictures: Tensor) -> Tensor:
        with torch.inference_mode():
            values = ((pictures.to(device) - mean) / deviation).transpose(0, 1)
            features: Tensor = network(values[None])
        return features[0].float().cpu()

    return Watcher(name=ACTIONS, frames=10, step=10, side_px=112, look=look)


def _check_packages(*names: str) -> None:
    """Raise ``WeightsError`` unless these packages of the extra work."""
    try:
        for name in names:
            importlib.import_module(name)
    except ImportError as error:
        raise WeightsError(
            f"The package {error.name} is not installed.", hint=install_hint("evaluate")
        ) from error
    except RuntimeError as error:  # its operators are of another build of torch
        raise WeightsError(
            f"{name} does not match torch {torch.__version__}.", hint="Install the matching build."
        ) from error


def _weights_file(weights: object, name: str) -> Path:
    """Where torchvision keeps a file of weights; raises ``WeightsError`` with how to fetch it."""
    url: str = weights.url  # type: ignore[attr-defined]
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        module, _, kind = f"torchvision.models.{name}".rpartition(".")
        fetch = f"from {module} import {kind} as W; W.DEFAULT.get_state_dict()"
        raise WeightsError(f"{path} does not exist.", hint=f'Run python -c "{fetch}".')
    return path


def _loaded(network: nn.Module, path: Path) -> nn.Module:
    """The network with the weights of a file, read by torch's weights-only loader."""
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, OSError, ValueError, EOFError, UnpicklingError) as error:
        raise WeightsError(f"{path} is damaged: {' '.join(str(error).split())[:200]}") from error
    return network.eval()


def _room(side_px: int) -> int:
    return max(RAFT_LEAST_PX, -(-side_px // RAFT_MULTIPLE) * RAFT_MULTIPLE)


def _per_channel(values: tuple[float, float, float], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device).view(3, 1, 1)
