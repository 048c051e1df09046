"""Networks to train: made from nothing, or begun with weights that are there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from any2bokeh.documents import parse_table, read_document
from any2bokeh.errors import SettingsError, WeightsError, shown
from any2bokeh.lab.training.training_settings import SizeName
from any2bokeh.paths import checkpoints_folder
from any2bokeh.render.diffusion.codec import Codec, PixelCodec, PixelCodecDims, make_codec
from any2bokeh.render.diffusion.image_encoder import ImageEncoder, image_encoder_files, load_image_encoder
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.weights.catalog import IMAGE_ENCODER, find_model, load_catalog
from any2bokeh.weights.checkpoint import (
    CONFIG_FILE,
    TRAINED_FACTS,
    WEIGHTS_FILE,
    CheckpointFacts,
    load_weights,
    read_facts,
)
from any2bokeh.weights.disk import FACTS_FILE
from any2bokeh.weights.download import model_folder

SCRATCH_FACTS = replace(
    TRAINED_FACTS,
    image_encoder=False,
    clip_normalization=False,
    license="Apache-2.0 as any2bokeh, unless its data say otherwise: no other weights went into it",
)
SVD_MODELS = ("svd-unet", "svd-vae")
Part = TypeVar("Part", bound=nn.Module)
HALVINGS = 8  # the divisor of three of them


def _pixel_dims(factor: int, **widths: object) -> tuple[UNetDims, PixelCodecDims]:
    """Sizes of a U-Net that sees folded picture and geometry, and of its codec."""
    codec = PixelCodecDims(factor=factor)
    folded = codec.latent_channels
    dims = UNetDims(
        in_channels=2 * folded,
        out_channels=folded,
        layers_per_block=1,
        context_channels=8,
        time_id_channels=32,
        **widths,  # type: ignore[arg-type]
    )
    return dims, codec


# Attention costs the square of the cells, so a network of finer cells has it at fewer levels; few channels
# are normalized in wider groups, which keep more of a frame's contrast.
PIXEL_SIZES = {
    "tiny": _pixel_dims(8, channels=(32, 32, 64, 64), heads=(1, 1, 2, 2), norm_groups=8),
    "small": _pixel_dims(
        4,
        channels=(64, 96, 128, 192),
        heads=(2, 3, 4, 6),
        norm_groups=8,
        attends=(False, False, True, False),
    ),
}


def make_network(size: SizeName, start: str | None) -> tuple[BokehUNet, Codec, CheckpointFacts]:
    """Return the U-Net, the codec and the facts that a run begins with, on the CPU.

    Without ``start``, fresh weights. Raises ``SettingsError`` and ``WeightsError``.
    """
    if start is not None:
        return load_start(start)
    if size == "svd":
        raise SettingsError(
            "The size svd is not trained from nothing.",
            hint="`start=FOLDER` of Stable Video Diffusion's unet/ and vae/, or `size=tiny|small`",
        )
    dims, codec_dims = PIXEL_SIZES[size]
    return BokehUNet(dims), PixelCodec(codec_dims), SCRATCH_FACTS


def load_start(start: str) -> tuple[BokehUNet, Codec, CheckpointFacts]:
    """Return the networks in a folder, or of an imported checkpoint, and their facts.

    A folder without facts is taken for Stable Video Diffusion's: layers of the paper that its U-Net lacks are
    new, and so are the decoder's skips. The first convolution of the planes begins as that of the picture.
    Raises ``WeightsError``.
    """
    folder = find_start(start)
    facts = TRAINED_FACTS
    is_ours = (folder / FACTS_FILE).is_file()
    if is_ours:
        facts = read_facts(folder / FACTS_FILE)
    may_lack = _never if is_ours else _is_of_the_paper
    unet, fresh = _load(folder / "unet", lambda config: BokehUNet(UNetDims.from_config(config)), may_lack)
    vae, _ = _load(folder / "vae", make_codec, may_lack)
    if "conv_in_mpi.weight" in fresh:
        with torch.no_grad():
            planes, picture = unet.conv_in_mpi, unet.conv_in
            planes.weight.copy_(picture.weight[:, : planes.in_channels])
            planes.bias.copy_(picture.bias)  # type: ignore[union-attr, arg-type]
    return unet, vae, replace(facts, source=f"{TRAINED_FACTS.source}, from {start}")


def find_start(start: str) -> Path:
    """Return the folder of an imported checkpoint or a path; ``svd`` is the downloaded one."""
    folder = checkpoints_folder() / start
    folder = folder if folder.is_dir() else Path(start)
    if folder.is_dir():
        return folder
    if start != "svd":
        raise WeightsError(f"There are no weights {shown(start)} to start from.", hint="`start=FOLDER`")
    folders = [model_folder(find_model(name, load_catalog())) for name in SVD_MODELS]
    return folders[0]  # of one repository, so it holds both


def find_image_encoder(facts: CheckpointFacts, device: torch.device) -> ImageEncoder | None:
    """Return the image encoder where the facts ask for one; raises ``WeightsError`` where it is missing."""
    if not facts.image_encoder:
        return None
    folder = model_folder(find_model(IMAGE_ENCODER, load_catalog())) / "image_encoder"
    files = image_encoder_files(folder)
    return load_image_encoder(*files, device, torch.float32, normalize=facts.clip_normalization)


def side_multiple(unet: BokehUNet, vae: Codec) -> int:
    """Return the number of pixels that must divide both sides of a frame."""
    return HALVINGS * (vae.dims.factor if isinstance(vae, PixelCodec) else 8)


def _load(
    folder: Path, make: Callable[[dict[str, object]], Part], may_lack: Callable[[str], bool]
) -> tuple[Part, tuple[str, ...]]:
    try:
        config = parse_table(read_document(folder / CONFIG_FILE))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / CONFIG_FILE} cannot be used: {error}") from error
    part = make(config)
    names = (WEIGHTS_FILE, WEIGHTS_FILE.replace(".safetensors", ".fp16.safetensors"))
    path = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
    lacking = [key for key in part.state_dict() if may_lack(key)]
    return part, load_weights(part, path, dtype=torch.float32, may_lack=lacking)


def _is_of_the_paper(key: str) -> bool:
    """Say whether the paper's network has this and Stable Video Diffusion's has not."""
    return key.startswith(("conv_in_mpi.", "decoder.skip_conv")) or ".fuser." in key


def _never(key: str) -> bool:
    return False
