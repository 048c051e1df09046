"""Disparity from single frames: Depth Anything V2 through transformers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoConfig, DepthAnythingConfig, DepthAnythingForDepthEstimation
from transformers.utils import logging as transformers_logging

from any2bokeh.depth.estimator import check_disparity, check_pictures
from any2bokeh.errors import WeightsError

# Mean and standard deviation of ImageNet's R'G'B', which the backbone was trained with.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class DisparityEstimator:
    """A loaded depth network. It takes pictures whose sides are multiples of ``patch`` pixels."""

    def __init__(self, network: torch.nn.Module, patch: int) -> None:
        self._network = network
        self.patch = patch

    def estimate(
        self, pictures: Tensor, size: tuple[int, int], nearby: Sequence[Tensor | None] = ()
    ) -> Tensor:
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
    try:
        with _quiet_transformers():
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            _check_kind(config, folder)
            network, report = DepthAnythingForDepthEstimation.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # reported below, by name
                output_loading_info=True,
            )
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(f"The depth network in {folder} cannot be loaded: {error}") from error
    _check_keys(report["missing_keys"], report["unexpected_keys"], report["mismatched_keys"], folder)
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
    mean, std = (pictures.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _STD))
    return (resized.clamp(0, 1) - mean) / std


def _check_kind(config: object, folder: Path) -> None:
    if not isinstance(config, DepthAnythingConfig):
        found = getattr(config, "model_type", "unknown")
        raise WeightsError(f"The network in {folder} is of the kind {found}, not depth_anything.")
    if config.depth_estimation_type != "relative":
        raise WeightsError(
            f"The network in {folder} estimates {config.depth_estimation_type} depth, not relative disparity."
        )


def _check_keys(
    missing: set[str], unknown: set[str], mismatched: set[tuple[str, torch.Size, torch.Size]], folder: Path
) -> None:
    problems = [
        *(f"the key {key} is missing" for key in sorted(missing)),
        *(f"the key {key} is unknown" for key in sorted(unknown)),
        *(
            f"{key} has the shape {list(found)} instead of {list(wanted)}"
            for key, found, wanted in mismatched
        ),
    ]
    if problems:
        more = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
        raise WeightsError(f"The weights in {folder} do not fit the network: {problems[0]}{more}.")


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keep progress bars and tables off stderr: what is wrong is raised as an error instead."""
    verbosity, had_bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bar:
            transformers_logging.enable_progress_bar()
