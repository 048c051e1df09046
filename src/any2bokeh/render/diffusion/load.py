"""The diffusion renderer on this machine: its files, and the network loaded from them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from any2bokeh.device import choose_render_dtype
from any2bokeh.documents import parse_table, read_document
from any2bokeh.errors import WeightsError
from any2bokeh.render.diffusion.codec import Codec, make_codec
from any2bokeh.render.diffusion.network import BokehNetwork
from any2bokeh.render.diffusion.pipeline import DiffusionRenderer
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.render.diffusion.vae import BokehVAE
from any2bokeh.scene import PictureFormat
from any2bokeh.settings.render_settings import DiffusionSettings, RenderSettings
from any2bokeh.weights.catalog import IMAGE_ENCODER, find_model, load_catalog
from any2bokeh.weights.checkpoint import Checkpoint, find_checkpoint, load_weights
from any2bokeh.weights.download import model_folder

if TYPE_CHECKING:
    from any2bokeh.render.diffusion.image_encoder import ImageEncoder

Part = TypeVar("Part", bound=nn.Module)
log = logging.getLogger(__name__)

FEW_STEPS = 1000  # below, training from random weights has not come far


@dataclass(frozen=True)
class Parts:
    """A checkpoint, and the folder of the image encoder, for those that take one."""

    checkpoint: Checkpoint
    image_encoder: Path | None


def find_parts(weights: str | None) -> Parts:
    """Return the parts for the checkpoint of that name, or in that folder; ``None``: the published one.

    Raises ``WeightsError`` that names the missing weights and the command that brings it.
    """
    checkpoint = find_checkpoint(weights)
    if not checkpoint.facts.image_encoder:
        return Parts(checkpoint, None)
    encoder = find_model(IMAGE_ENCODER, load_catalog())
    return Parts(checkpoint, model_folder(encoder) / "image_encoder")


def load_diffusion(
    settings: RenderSettings, device: torch.device, pictures: PictureFormat
) -> DiffusionRenderer:
    """Return the renderer diffusion, its weights on ``device``.

    Raises ``WeightsError`` for files that are missing, damaged or of another kind, naming the key.
    """
    parts = find_parts(settings.diffusion.weights)
    _warn_of_few_steps(parts.checkpoint)
    dtype = choose_render_dtype(settings.dtype, device)
    network = load_network(parts, device, dtype, settings.diffusion)
    return DiffusionRenderer(network, settings.diffusion, pictures)


def _warn_of_few_steps(checkpoint: Checkpoint) -> None:
    steps = checkpoint.facts.trained_steps
    if steps is not None and steps < FEW_STEPS:
        log.warning(
            "The network in %s has hardly been trained (%d steps): expect noise in place of blur.",
            checkpoint.folder,
            steps,
        )


def load_network(
    parts: Parts, device: torch.device, dtype: torch.dtype, settings: DiffusionSettings
) -> BokehNetwork:
    """Return the network of a checkpoint with its image encoder.

    The autoencoder encodes in float32 where the rest is float16, whose range its values exceed.
    """
    checkpoint, where = parts.checkpoint, torch.device("cpu") if settings.low_memory else device
    unet = _load_part(
        lambda config: BokehUNet(UNetDims.from_config(config)),
        (checkpoint.unet_config, checkpoint.unet_weights),
        where,
        dtype,
    )
    vae: Codec = _load_part(make_codec, (checkpoint.vae_config, checkpoint.vae_weights), where, dtype)
    if dtype == torch.float16 and isinstance(vae, BokehVAE):
        vae.encoder.float()
        vae.quant_conv.float()
    clip = _load_clip(parts, where, dtype)
    if clip and clip.channels != unet.dims.context_channels:
        raise WeightsError(
            f"The image encoder in {parts.image_encoder} gives {clip.channels} numbers for a picture, but the"
            f" U-Net in {checkpoint.folder} takes {unet.dims.context_channels}."
        )
    return BokehNetwork(unet, vae, clip, checkpoint.facts, settings, device)


def _load_clip(parts: Parts, device: torch.device, dtype: torch.dtype) -> "ImageEncoder | None":
    """The image encoder, where the checkpoint takes one."""
    if parts.image_encoder is None:
        return None
    # Here, because transformers takes seconds to import and networks trained from scratch do not need it.
    from any2bokeh.render.diffusion.image_encoder import image_encoder_files, load_image_encoder

    files = image_encoder_files(parts.image_encoder)
    return load_image_encoder(*files, device, dtype, normalize=parts.checkpoint.facts.clip_normalization)


def _load_part(
    make: Callable[[dict[str, Any]], Part],
    files: tuple[Path, Path],
    device: torch.device,
    dtype: torch.dtype,
) -> Part:
    config, weights = files
    try:
        document = parse_table(read_document(config))
        with torch.device("meta"):
            part = make(document)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{config} cannot be used: {error}") from error
    load_weights(part, weights, dtype=dtype, device=device)
    return part.eval().requires_grad_(False)
