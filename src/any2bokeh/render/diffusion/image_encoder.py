"""CLIP's picture encoder: it gives the network an embedding of each frame besides its pixels.

The only user of transformers here, imported where a checkpoint takes embeddings.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from any2bokeh.documents import parse_table, read_document
from any2bokeh.errors import WeightsError
from any2bokeh.weights.checkpoint import load_weights

CLIP_SIDE_PX = 224
POSITION_IDS = "vision_model.embeddings.position_ids"  # 0, 1, 2 ...; files of some ages hold it
# Mean and standard deviation of R'G'B' in CLIP's own training.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class ImageEncoder:
    """CLIP's picture encoder with its projection: one embedding for each frame."""

    def __init__(self, network: CLIPVisionModelWithProjection, *, normalize: bool) -> None:
        self.network = network
        self._normalize = normalize

    @property
    def channels(self) -> int:
        """How many numbers an embedding has."""
        return self.network.config.projection_dim

    def embed(self, pictures: Tensor) -> Tensor:
        """Return ``T D`` embeddings of ``T 3 H W`` pictures in -1..1, in the network's precision.

        ``normalize`` standardizes the pictures as in CLIP's training, which the published inference does not.
        """
        pixels = (shrink_for_clip(pictures.float(), (CLIP_SIDE_PX, CLIP_SIDE_PX)) + 1) / 2
        if self._normalize:
            mean, std = (pixels.new_tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
            pixels = (pixels - mean) / std
        weight = next(self.network.parameters())
        return self.network(pixels.to(weight.dtype)).image_embeds


def image_encoder_files(folder: Path) -> tuple[Path, Path]:
    """The configuration and the weights in a folder of CLIP's image encoder; half precision is preferred."""
    for name in ("model.fp16.safetensors", "model.safetensors"):
        if (folder / name).is_file() and (folder / "config.json").is_file():
            return folder / "config.json", folder / name
    raise WeightsError(f"The image encoder's config.json or model.safetensors is missing in {folder}.")


def load_image_encoder(
    config: Path, weights: Path, device: torch.device, dtype: torch.dtype, *, normalize: bool
) -> ImageEncoder:
    """Return the encoder of these files. Raises ``WeightsError`` if they are damaged or of another kind."""
    try:
        document = parse_table(read_document(config))
        with torch.device("meta"):
            network = CLIPVisionModelWithProjection(CLIPVisionConfig(**document))
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"The image encoder's {config} cannot be used: {error}") from error
    load_weights(network, weights, dtype=dtype, device=device, unused=[POSITION_IDS])
    embeddings = network.vision_model.embeddings
    embeddings.position_ids = torch.arange(embeddings.num_positions, device=device)[None]
    return ImageEncoder(network.eval().requires_grad_(False), normalize=normalize)


def shrink_for_clip(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """``T C h w`` of ``T C H W``, ``size`` is ``h w``: blurred against aliasing, then resized bicubically.

    The resampling of Stable Video Diffusion's pipeline, which the embeddings were trained with: a Gaussian
    of ``(shrinking - 1) / 2`` pixels over 4 of its widths, at least three pixels, by reflection at the edges;
    then the corners are aligned.
    """
    rows, columns = (side / wanted for side, wanted in zip(pictures.shape[2:], size, strict=True))
    blurred = _blur_rows(_blur_rows(pictures, columns).transpose(2, 3), rows).transpose(2, 3)
    return interpolate(blurred, size, mode="bicubic", align_corners=True)


def _blur_rows(pictures: Tensor, shrinking: float) -> Tensor:
    """Blurred along the last axis for a size that is ``shrinking`` times smaller."""
    sigma = max((shrinking - 1) / 2, 0.001)
    taps = int(max(4 * sigma, 3)) | 1
    reach = taps // 2
    offsets = torch.arange(-reach, reach + 1, device=pictures.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    mode = "reflect" if pictures.shape[3] > reach else "replicate"
    padded = pad(pictures, (reach, reach, 0, 0), mode=mode)
    blurred = conv2d(padded.flatten(0, 1)[:, None], (kernel / kernel.sum()).view(1, 1, 1, taps))
    return blurred.view_as(pictures)
