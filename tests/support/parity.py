"""The published network's numbers, and the tiny networks that gave them."""

import dataclasses
import json
import shutil
import zlib
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from any2bokeh.render.diffusion.image_encoder import ImageEncoder
from any2bokeh.render.diffusion.network import BokehNetwork
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims, UNetInputs
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims
from any2bokeh.settings.render_settings import DiffusionSettings
from any2bokeh.settings.weights_settings import MaskMode
from any2bokeh.weights.checkpoint import PUBLISHED_FACTS

Network = TypeVar("Network", bound=nn.Module)
DATA = Path(__file__).parents[1] / "data" / "parity"


def tensors(name: str) -> dict[str, Tensor]:
    return load_file(DATA / f"{name}.safetensors")


def document(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"{name}.json").read_text())  # type: ignore[no-any-return]


def hashed(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Values from -1 to 1 that follow from the name and the index alone."""
    low = np.uint64(0xFFFFFFFF)
    x = np.uint64(zlib.crc32(name.encode())) + np.arange(np.prod(shape), dtype=np.uint64) * np.uint64(
        0x9E3779B9
    )
    x &= low
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & low
    x ^= x >> np.uint64(16)
    return (2.0 * (x.astype(np.float64) / 2.0**32) - 1.0).reshape(shape)


def recipe(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The weights of the tensor ``name`` in all of the published cases: a hash of its name and the index."""
    v = hashed(name, shape)
    match name.rsplit(".", 1)[-1]:
        case "alpha_attn" | "alpha_dense":
            v = 0.75 + 0.25 * v
        case "mix_factor":
            pass
        case _ if len(shape) > 1:
            v = v * np.sqrt(3.0 / np.prod(shape[1:]))
        case "weight":
            v = 1.0 + 0.2 * v
        case "bias":
            v = 0.1 * v
    return np.asarray(v, np.float32)


def fill(network: Network, *, rounded_to_half: bool) -> Network:
    """The network with the recipe's weights; those of the tiny networks were stored in float16."""
    weights = {
        key: torch.from_numpy(recipe(key, tuple(weight.shape)))
        for key, weight in network.state_dict().items()
    }
    network.load_state_dict({k: w.half().float() if rounded_to_half else w for k, w in weights.items()})
    return network.eval().requires_grad_(False)


def tiny_unet() -> BokehUNet:
    return fill(BokehUNet(UNetDims.from_config(document("tiny_unet_config"))), rounded_to_half=True)


def tiny_vae() -> BokehVAE:
    return fill(BokehVAE(VAEDims.from_config(document("tiny_vae_config"))), rounded_to_half=True)


def recipe_unet() -> BokehUNet:
    config = document("tiny_unet_cases")["recipe_config"]
    return fill(BokehUNet(UNetDims.from_config(config)), rounded_to_half=False)


def recipe_vae() -> BokehVAE:
    config = document("tiny_vae_cases")["recipe_config"]
    return fill(BokehVAE(VAEDims.from_config(config)), rounded_to_half=False)


def unet_inputs(stored: dict[str, Tensor], case: str) -> UNetInputs:
    """What the U-Net was given in a stored case."""
    k = stored[f"{case}.input_k"]
    return UNetInputs(
        latents=stored[f"{case}.sample"],
        embeds=stored[f"{case}.encoder_hidden_states"].unflatten(0, k.shape)[:, :, 0],
        labels=stored[f"{case}.mpi_mask"][:, :, None],
        blur_strength=k,
        time_ids=stored[f"{case}.added_time_ids"],
        plane_latents=stored[f"{case}.mpi_cond"],
    )


def assert_near(got: Tensor, wanted: Tensor, atol: float) -> None:
    """Fail with the spread of the error."""
    error = (got.float() - wanted.float()).abs()
    assert error.max() <= atol, f"error up to {error.max():.2e}, mean {error.mean():.2e}, allowed {atol:.0e}"


def tiny_image_encoder() -> CLIPVisionModelWithProjection:
    network = CLIPVisionModelWithProjection(CLIPVisionConfig(**document("tiny_clip_config")))
    return fill(network, rounded_to_half=True)


def tiny_network(
    settings: DiffusionSettings,
    mask_mode: MaskMode = "released",
    device: torch.device = torch.device("cpu"),  # noqa: B008 - a device is a value
) -> BokehNetwork:
    """The published tiny networks, put together as a checkpoint's."""
    facts = dataclasses.replace(PUBLISHED_FACTS, mask_mode=mask_mode)
    resting = torch.device("cpu") if settings.low_memory else device  # where parts wait for their work
    encoder = ImageEncoder(tiny_image_encoder().to(resting), normalize=facts.clip_normalization)
    unet, vae = tiny_unet().to(resting), tiny_vae().to(resting)
    return BokehNetwork(unet, vae, encoder, facts, settings, device)


def save_networks(folder: Path) -> None:
    """Write the tiny networks as they are published, in single precision."""
    for network, name in ((tiny_unet(), "unet/unet"), (tiny_vae(), "vae")):
        target = folder / name
        target.mkdir(parents=True)
        save_file(network.state_dict(), target / "diffusion_pytorch_model.safetensors")
        shutil.copy(DATA / f"tiny_{target.name}_config.json", target / "config.json")


def save_image_encoder(folder: Path) -> None:
    """Write the tiny image encoder as it is published: its configuration, and weights in half precision."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(document("tiny_clip_config")))
    weights = tiny_image_encoder().state_dict()
    halves = {key: weight.half().contiguous() for key, weight in weights.items()}
    save_file(halves, folder / "model.fp16.safetensors")
