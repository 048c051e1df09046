"""The networks that draw: their files on this machine, and the renderer that runs them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from any2bokeh.device import choose_render_dtype, has_bfloat16
from any2bokeh.documents import parse_table, read_document
from any2bokeh.errors import WeightsError
from any2bokeh.render.diffusion.answer import NetworkAnswer, RefocusedAnswer
from any2bokeh.render.diffusion.codec import Codec, make_codec
from any2bokeh.render.diffusion.network import BokehNetwork
from any2bokeh.render.diffusion.pipeline import DiffusionRenderer
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.render.diffusion.vae import BokehVAE
from any2bokeh.render.small.correction import CorrectionAnswer
from any2bokeh.scene import PictureFormat
from any2bokeh.settings.device_settings import DtypeName
from any2bokeh.settings.render_settings import DiffusionSettings, RenderSettings
from any2bokeh.weights.catalog import IMAGE_ENCODER, find_model, load_catalog
from any2bokeh.weights.checkpoint import (
    Checkpoint,
    CheckpointFacts,
    find_checkpoint,
    load_weights,
    read_checkpoint,
)
from any2bokeh.weights.download import model_folder

if TYPE_CHECKING:
    from any2bokeh.render.diffusion.image_encoder import ImageEncoder

Part = TypeVar("Part", bound=nn.Module)
log = logging.getLogger(__name__)

FEW_STEPS = 1000  # below, training from random weights has not come far
SMALL = Path(__file__).parent / "small" / "checkpoint"  # docs/training.md says how it was made


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


def parts_of(settings: RenderSettings) -> Parts:
    """Return the parts of the network that the renderer diffusion or small runs; see ``find_parts``."""
    return small_parts() if settings.renderer == "small" else find_parts(settings.diffusion.weights)


def small_parts() -> Parts:
    """Return those of the small network, which corrects the lens and is part of the package."""
    return Parts(read_checkpoint(SMALL), None)


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
    _warn_of_few_steps(parts.checkpoint)
    dtype = _choose_dtype(settings.dtype, device, parts.checkpoint.facts)
    network = load_network(parts, device, dtype, settings.diffusion)
    facts, work_size = network.facts, settings.diffusion.work_size
    answer: NetworkAnswer = RefocusedAnswer(work_size)
    if facts.answers == "correction":
        answer = CorrectionAnswer(facts, work_size, pictures, blur_strength, device)
    return DiffusionRenderer(network, answer, settings.diffusion, pictures, name=settings.renderer)


def _warn_of_few_steps(checkpoint: Checkpoint) -> None:
    steps = checkpoint.facts.trained_steps
    if steps is not None and steps < FEW_STEPS:
        log.warning(
            "The network in %s has hardly been trained (%d steps): expect noise in place of blur.",
            checkpoint.folder,
            steps,
        )


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


def _load_clip(parts: Parts, device: torch.device, dtype: torch.dtype) -> "ImageEncoder | None":
    """The image encoder, where the checkpoint takes one."""
    if parts.image_encoder is None:
        return None
    # Here, because transformers takes seconds to import and the small network does not need it.
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
