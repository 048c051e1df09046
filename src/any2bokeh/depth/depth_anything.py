"""Disparity from single frames: Depth Anything V2 through transformers."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

from any2bokeh.depth.estimator import check_disparity, check_pictures
from any2bokeh.errors import WeightsError
from any2bokeh.weights.pretrained import load_pretrained, read_config, standardized


class DisparityEstimator:
    """A loaded depth network. It takes pictures whose sides are multiples of ``patch`` pixels."""

    def __init__(self, network: torch.nn.Module, patch: int) -> None:
        self._network = network
        self.patch = patch

    def estimate(self, pictures: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the raw disparity ``T 1 h w`` of pictures; see ``any2bokeh.depth.estimator.Estimator``."""
        check_pictures(pictures)
        weight = next(self._network.parameters())
        whole_patches = [max(1, round(side / self.patch)) * self.patch for side in size]
        with torch.no_grad():
            pixels = _preprocess(pictures.to(weight.device), whole_patches).to(weight.dtype)
            disparity: Tensor = self._network(pixel_values=pixels).predicted_depth.float()  # T h w
        check_disparity(disparity, weight.dtype)
        return interpolate(disparity[:, None], size, mode="bilinear", antialias=True)


def load_estimator(folder: Path, device: torch.device, dtype: torch.dtype) -> DisparityEstimator:
    """Return the network whose ``config.json`` and ``model.safetensors`` lie in ``folder``.

    Nothing is fetched, and nothing but safetensors is read. Raises ``WeightsError`` for files that are
    missing or damaged, a network of another kind, or weights that do not fit it, naming the key.
    """
    config = read_config(folder, "depth network")
    _check_kind(config, folder)
    network = load_pretrained(DepthAnythingForDepthEstimation, config, folder, "depth network")
    return DisparityEstimator(in_precision(network.eval().to(device), dtype), patch=config.patch_size)


def in_precision(network: DepthAnythingForDepthEstimation, dtype: torch.dtype) -> torch.nn.Module:
    """Return the network in ``dtype``; in bfloat16, whose steps would be seen, only its transformer."""
    if dtype != torch.bfloat16:
        whole: torch.nn.Module = network.to(dtype)
        return whole

    def to_float(neck: torch.nn.Module, inputs: tuple[list[Tensor], int, int]) -> tuple[object, ...]:
        features, *size = inputs
        return [feature.float() for feature in features], *size

    network.backbone.to(dtype)
    network.neck.register_forward_pre_hook(to_float)
    mixed: torch.nn.Module = network
    return mixed


def _preprocess(pictures: Tensor, size: list[int]) -> Tensor:
    """Return the pictures resized to ``size`` and standardized as in training: ``T 3 h w``."""
    resized = interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False)
    return standardized(resized.clamp(0, 1))


def _check_kind(config: object, folder: Path) -> None:
    if not isinstance(config, DepthAnythingConfig):
        found = getattr(config, "model_type", "unknown")
        raise WeightsError(f"The network in {folder} is a {found} network; depth_anything is required.")
    if config.depth_estimation_type != "relative":
        raise WeightsError(
            f"The network in {folder} estimates {config.depth_estimation_type} depth, not relative disparity."
        )
