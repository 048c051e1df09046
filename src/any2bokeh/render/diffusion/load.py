"""From files to the renderer that runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from any2bokeh.device import choose_render_dtype, has_bfloat16
from any2bokeh.errors import WeightsError
from any2bokeh.render.diffusion.codec import Codec, make_codec
from any2bokeh.render.diffusion.condition import ImageEncoder, load_image_encoder
from any2bokeh.render.diffusion.network import BokehNetwork
from any2bokeh.render.diffusion.parts import Parts, parts_of
from any2bokeh.render.diffusion.pipeline import DiffusionRenderer
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.render.diffusion.vae import BokehVAE
from any2bokeh.scene import PictureFormat
from any2bokeh.settings.device_settings import DtypeName
from any2bokeh.settings.render_settings import DiffusionSettings, RenderSettings
from any2bokeh.weights.checkpoint import CheckpointFacts, load_weights

Part = TypeVar("Part", bound=nn.Module)


def load_renderer(
    settings: RenderSettings,
    device: torch.device,
    pictures: PictureFormat,
    blur_strength: float | None = None,
) -> DiffusionRenderer:
    """Return the renderer diffusion or small, its weights on ``device``; ``blur_strength`` is the largest K.

    Raises ``WeightsError`` for files that are missing, damaged or of another kind, naming the key.
    """
    parts = parts_of(settings)
    dtype = _choose_dtype(settings.dtype, device, parts.checkpoint.facts)
    network = load_network(parts, device, dtype, settings.diffusion)
    return DiffusionRenderer(network, settings.diffusion, pictures, blur_strength, name=settings.renderer)


def _choose_dtype(name: DtypeName, device: torch.device, facts: CheckpointFacts) -> torch.dtype:
    """The precision that the network computes in; a correction bears the coarse one of a CPU."""
    if name == "auto" and device.type == "cpu" and facts.answers == "correction" and has_bfloat16():
        return torch.bfloat16
    return choose_render_dtype(name, device)


def load_network(
    parts: Parts, device: torch.device, dtype: torch.dtype, settings: DiffusionSettings
) -> BokehNetwork:
    """Return the network of a checkpoint with its image encoder.

    The autoencoder encodes in float32 where the rest is float16, whose range its values exceed. A network
    that corrects the lens keeps its weights and the picture in float32, since it adds to each code value of
    the picture, and computes in mixed precision, as it was trained.
    """
    checkpoint, where = parts.checkpoint, torch.device("cpu") if settings.low_memory else device
    mixed = None
    if checkpoint.facts.answers == "correction":
        mixed, dtype = dtype, torch.float32
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
    return BokehNetwork(unet, vae, clip, checkpoint.facts, settings, device, mixed)


def _load_clip(parts: Parts, device: torch.device, dtype: torch.dtype) -> ImageEncoder | None:
    """The image encoder, where the checkpoint takes one."""
    if parts.image_encoder is None:
        return None
    files = image_encoder_files(parts.image_encoder)
    return load_image_encoder(*files, device, dtype, normalise=parts.checkpoint.facts.clip_normalisation)


def image_encoder_files(folder: Path) -> tuple[Path, Path]:
    """The configuration and the weights in a folder of CLIP's image encoder; half precision is preferred."""
    for name in ("model.fp16.safetensors", "model.safetensors"):
        if (folder / name).is_file() and (folder / "config.json").is_file():
            return folder / "config.json", folder / name
    raise WeightsError(f"{folder} does not hold the image encoder's config.json and model.safetensors.")


def _load_part(
    make: Callable[[dict[str, Any]], Part],
    files: tuple[Path, Path],
    device: torch.device,
    dtype: torch.dtype,
) -> Part:
    config, weights = files
    try:
        document = json.loads(config.read_text(encoding="utf-8"))
        with torch.device("meta"):
            part = make(document)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{config} cannot be used: {error}") from error
    load_weights(part, weights, dtype=dtype, device=device)
    return part.eval().requires_grad_(False)
