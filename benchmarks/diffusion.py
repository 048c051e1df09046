"""Where the time and the memory of the diffusion renderer go, with random weights of the real classes.

    python benchmarks/diffusion.py --size small --frames 25 --device cpu
    python benchmarks/diffusion.py --size full --device cuda --frames 25 100 --compile

Prints a table in Markdown: seconds per frame by part and, in the same run, of the same network run in the
published manner: chunks in pairs, every frame encoded again in each chunk and in float32, all MPI tokens
computed though masked, decoder windows of 8 frames side by side, nothing compiled.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from any2bokeh.device import choose_device, choose_render_dtype
from any2bokeh.render.diffusion.attention import MPIAttention, PlaneTokens
from any2bokeh.render.diffusion.image_encoder import ImageEncoder
from any2bokeh.render.diffusion.network import BokehNetwork
from any2bokeh.render.diffusion.pipeline import DiffusionRenderer, network_inputs
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims, UNetInputs
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import ChunkSettings, DiffusionSettings
from any2bokeh.weights.checkpoint import PUBLISHED_FACTS

HALF = ChunkSettings().overlap


@dataclass(frozen=True)
class Size:
    """A network and the picture that it is run on."""

    unet: UNetDims
    vae: VAEDims
    clip: CLIPVisionConfig
    work_size: int


FULL_CLIP = CLIPVisionConfig(
    hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16, patch_size=14,
    projection_dim=1024, hidden_act="gelu",
)  # fmt: skip
SMALL_CLIP = CLIPVisionConfig(
    hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=2, patch_size=32,
    projection_dim=64, hidden_act="gelu",
)  # fmt: skip
SIZES = {
    "full": Size(UNetDims(), VAEDims(), FULL_CLIP, 1024),
    "small": Size(
        UNetDims(
            channels=(64, 128, 256, 256), heads=(1, 2, 4, 4), layers_per_block=1, context_channels=64,
            time_id_channels=32,
        ),
        VAEDims(channels=(32, 64, 128, 128), layers_per_block=1),
        SMALL_CLIP,
        256,
    ),
}  # fmt: skip


def make_network(
    size: Size, device: torch.device, dtype: torch.dtype, settings: DiffusionSettings
) -> BokehNetwork:
    """A network of random weights."""
    torch.manual_seed(0)
    with device:
        unet, vae = BokehUNet(size.unet), BokehVAE(size.vae)
        clip = CLIPVisionModelWithProjection(size.clip)
    for part in (unet, vae, clip):
        part.eval().requires_grad_(False).to(device, dtype)
    if dtype == torch.float16:
        vae.encoder.float()
        vae.quant_conv.float()
    return BokehNetwork(unet, vae, ImageEncoder(clip, normalize=False), PUBLISHED_FACTS, settings, device)


def make_scenes(count: int, size: Size) -> Iterator[Scene]:
    """Frames of noise at the working size, over a ramp of disparity."""
    height, width = size.work_size * 9 // 16, size.work_size
    for pts in range(count):
        disparity = torch.linspace(0, 1, height).view(1, -1, 1).repeat(1, 1, width)
        yield Scene(
            sharp=torch.rand(3, height, width),
            disparity=disparity,
            focus_disparity=0.5,
            blur_strength=16.0,
            pts=pts,
        )


class Clock:
    """Seconds by part, after what runs on the device has ended."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, dict[str, float]()

    def time(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """The function ``run``, timed under ``name``."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = self.now()
            made = run(*args, **kwargs)
            self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - started
            return made

        return timed

    def now(self) -> float:
        """The time, once the device is idle."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def time_renderer(
    network: BokehNetwork, size: Size, settings: DiffusionSettings, frames: int
) -> dict[str, float]:
    """Seconds per frame, by part and in all."""
    clock = Clock(network.device)
    height, width = size.work_size * 9 // 16, size.work_size
    renderer = DiffusionRenderer(network, settings, PictureFormat(height=height, width=width))
    parts = {"VAE encode and CLIP": "encode", "U-Net": "denoise", "VAE decode": "decode"}
    own = {method: getattr(network, method) for method in parts.values()}
    for name, method in parts.items():
        setattr(network, method, clock.time(name, own[method]))
    started = clock.now()
    for _ in renderer.render(make_scenes(frames, size)):
        pass
    total = clock.now() - started
    for method, original in own.items():
        setattr(network, method, original)
    rest = total - sum(clock.seconds.values())
    return {
        name: spent / frames for name, spent in {**clock.seconds, "the rest": rest, "in all": total}.items()
    }


def run_published_manner(network: BokehNetwork, size: Size, frames: int) -> float:
    """Seconds per frame of a straightforward implementation; the last chunk is padded with its last frame."""
    unet, vae, clip, device = network._unet, network._vae, network._clip, network.device
    frame = WorkingFrame.fit(size.work_size * 9 // 16, size.work_size, 1, size.work_size)
    inputs = network_inputs(list(make_scenes(frames, size)), frame, 1.5, device)
    for module in unet.modules():
        if isinstance(module, MPIAttention):
            module.forward = MethodType(attend_to_all, module)  # type: ignore[method-assign]
    encoder_dtype = next(vae.encoder.parameters()).dtype
    vae.encoder.float()
    vae.quant_conv.float()
    dtype, decoder_dtype = next(unet.parameters()).dtype, next(vae.decoder.parameters()).dtype
    started = Clock(device).now()
    starts = list(range(0, max(1, frames - HALF), HALF))
    with torch.inference_mode():
        assert clip is not None
        for pair in (starts[i : i + 2] for i in range(0, len(starts), 2)):
            rows = [torch.arange(s, s + 2 * HALF).clamp(max=frames - 1) for s in pair]
            seen = [vae.encode(frame.pad(inputs.pictures[r])) for r in rows]
            geometry = [vae.encode(frame.pad(inputs.geometry[r])) for r in rows]
            latents = torch.stack(
                [torch.cat([a.mean, b.mean], 1) for a, b in zip(seen, geometry, strict=True)]
            )
            told = UNetInputs(
                latents=vae.scaled(latents).to(dtype),
                embeds=torch.stack([clip.embed(inputs.pictures[r]) for r in rows]).to(dtype),
                labels=torch.stack([frame.pad(inputs.labels[r]) for r in rows]),
                blur_strength=torch.full((len(rows), 2 * HALF), 16.0, device=device),
                time_ids=torch.tensor([[6.0, 127.0, 0.0]] * len(rows), device=device),
            )
            denoised = unet(told, mask_mode="paper", mix_clips=True)
            vae.decode(
                vae.unscaled(denoised[0]).to(decoder_dtype), tuple(s.to(decoder_dtype) for s in seen[0].skips)
            )
    seconds = (Clock(device).now() - started) / frames
    for module in unet.modules():
        if isinstance(module, MPIAttention):
            del module.forward
    vae.encoder.to(encoder_dtype)
    vae.quant_conv.to(encoder_dtype)
    return seconds


def attend_to_all(
    fuser: MPIAttention, tokens: Tensor, blur: Tensor, planes: PlaneTokens, gates: bool
) -> Tensor:
    """The fuser with every token computed, those of the planes masked, and both feed-forwards run."""
    tokens = tokens + fuser.k_encoder(blur)[:, None]
    count = tokens.shape[1]
    every = fuser.norm1(torch.cat([tokens, fuser.linear(planes.tokens)], dim=1))
    attended = torch.arange(2 * count, device=tokens.device).view(1, 1, 1, -1) < count
    own = fuser.mpi_attn
    q, k, v = (
        project(every).unflatten(-1, (own.heads, -1)).transpose(1, 2)
        for project in (own.to_q, own.to_k, own.to_v)
    )
    result = own.to_out[0](
        scaled_dot_product_attention(q, k, v, attn_mask=attended).transpose(1, 2).flatten(2)
    )
    tokens = tokens + fuser.alpha_attn.tanh() * result[:, :count]
    dense = fuser.ff(fuser.norm2(tokens)) + fuser.ff(fuser.norm_k(tokens))
    refined: Tensor = tokens + fuser.alpha_dense.tanh() * dense
    return refined


def print_times(
    size: Size, frame_counts: list[int], device: torch.device, settings: DiffusionSettings
) -> None:
    """Seconds per frame by part, of ours and of the published manner."""
    dtype = choose_render_dtype("auto", device)
    network = make_network(size, device, dtype, settings)
    time_renderer(network, size, settings, 2 * settings.chunk)  # warm, and compiled
    rows = {str(count): time_renderer(network, size, settings, count) for count in frame_counts}
    plain = make_network(size, device, dtype, replace(settings, compile=False))
    run_published_manner(plain, size, 2 * settings.chunk)
    published = {count: run_published_manner(plain, size, count) for count in frame_counts}
    names = list(next(iter(rows.values())))
    print(f"\n| frames, {dtype} on {device} | {' | '.join(names)} | published manner | times |")
    print("|---" * (len(names) + 3) + "|")
    for count, row in rows.items():
        there = published[int(count)]
        cells = " | ".join(f"{row[name]:.3f}" for name in names)
        print(f"| {count} | {cells} | {there:.3f} | {there / row['in all']:.2f} |")
    if device.type == "cuda":
        height, width = size.work_size * 9 // 16, size.work_size
        pictures = PictureFormat(height=height, width=width)
        counted = DiffusionRenderer(network, settings, pictures).peak_bytes(pictures)
        peak = torch.cuda.max_memory_allocated(device)
        print(f"\npeak memory {peak / 2**30:.1f} GiB with both, counted for one {counted / 2**30:.1f} GiB")


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    parser.add_argument("--frames", type=int, nargs="+", default=[25])
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    size = SIZES[arguments.size]
    settings = DiffusionSettings(work_size=size.work_size, compile=arguments.compile)
    print_times(size, arguments.frames, choose_device(arguments.device), settings)


if __name__ == "__main__":
    main()
