"""Times and pictures of a GPU beside those of the CPU next to it, in one run of a few minutes.

    python benchmarks/gpu.py [--device cuda] [--parts rays lens small depth command diffusion training]
    python benchmarks/gpu.py --device cpu --tiny

Draws a scene at random, then runs on both: the ray tracer that makes training data, the lens and the
renderer small at 1080p and 2160p, the compact disparity network, the command with decoding and encoding,
ten steps of each stage of training at tiny size, and steps of the geometry stage in batches of several sizes.
On the GPU alone: `diffusion` at the published size with random weights, by part, beside the published manner,
and its memory beside the memory that is counted; ``--parts published`` adds a step of training at that size.
``--tiny`` tries all of it on small pictures. Prints tables in Markdown: seconds, how near the two are, and
the largest memory that was taken of the GPU [GiB].
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import diffusion
import numpy as np
import torch
from torch import Tensor

from any2bokeh.depth.compact import SHORTER_SIDE, load_compact
from any2bokeh.device import choose_device
from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.compiled_tracer import CompiledRayTracer
from any2bokeh.lab.synthesis.drawn_scene import ClipFormat, Material
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.rich_scenes import rich_scene
from any2bokeh.lab.synthesis.stage import Stage
from any2bokeh.lab.training.initial_network import SCRATCH_FACTS, make_network
from any2bokeh.lab.training.run_folder import State
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.trainer import make_accelerator
from any2bokeh.lab.training.training_settings import StageName, training_settings
from any2bokeh.lab.training.windows import Batch
from any2bokeh.optics.transfer import from_linear
from any2bokeh.render.base import make_renderer
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims
from any2bokeh.run import refocus
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.render_settings import DiffusionSettings, RendererName, RenderSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.video.gray import to_uint16
from any2bokeh.video.lossless import GRAY16, LosslessWriter, to_uint8

CPU = torch.device("cpu")
REPEATS, DRAWN = 3, 4  # runs; frames of a clip that are drawn, which then repeat
PARTS = ["rays", "lens", "small", "depth", "command", "diffusion", "training", "published"]
FOCUS = Focus(0.6, 16.0)


def seconds(run: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> float:
    """The least of several runs, after one that does not count."""
    run()
    found = []
    for _ in range(repeats):
        _wait(device)
        started = time.perf_counter()
        run()
        _wait(device)
        found.append(time.perf_counter() - started)
    return min(found)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _start_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _memory_gib(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else float("nan")


def psnr(first: Tensor, second: Tensor) -> float:
    """Of values in 0..1."""
    return float(-10 * (first.cpu() - second.cpu()).square().mean().clamp(min=1e-12).log10())


def compare(name: str, run: Callable[[torch.device], Tensor], device: torch.device) -> Tensor:
    """Print a row; return what the GPU gave."""
    found = [run(one) for one in (CPU, device)]
    _start_memory(device)
    times = [seconds(lambda one=one: run(one), one) for one in (CPU, device)]  # type: ignore[misc]
    difference = psnr(*found)
    print(
        f"| {name} | {times[0]:.4f} | {times[1]:.4f} | {times[0] / times[1]:.1f} | {difference:.1f} |"
        f" {_memory_gib(device):.2f} |",
        flush=True,
    )
    return found[1]


def compare_rays(stage: Stage, clip: ClipFormat, rays: int, device: torch.device) -> None:
    """The compiled tracer and that in torch."""
    tracers = {CPU: CompiledRayTracer(stage), device: RayTracer(stage, device)}
    view = clip.view(0)
    compare(
        f"rays, {clip.width}x{clip.height}, {rays} a pixel",
        lambda one: from_linear(tracers[one].refocused(view, FOCUS, samples=rays).clamp(0, 1), "srgb"),
        device,
    )


def compare_renderer(name: RendererName, stage: Stage, size: tuple[int, int], device: torch.device) -> None:
    """A renderer: the lens compiled and in torch, the network in the precision of each."""
    width, height = size
    tracer, view = RayTracer(stage, device), ClipFormat(width=width, height=height, frames=1).view(0)
    scene = Scene(
        sharp=from_linear(tracer.sharp(view, 4).clamp(0, 1), "srgb").cpu(),
        disparity=tracer.geometry(view).disparity.cpu(),
        focus_disparity=FOCUS.focus_disparity,
        blur_strength=FOCUS.blur_strength,
        pts=0,
    )
    pictures = PictureFormat(height=height, width=width)
    settings = RenderSettings(renderer=name)
    renderers = {one: make_renderer(settings, one, pictures, FOCUS.blur_strength) for one in (CPU, device)}
    compare(
        f"{name}, {width}x{height}, K {FOCUS.blur_strength:g}",
        lambda one: next(iter(renderers[one].render(iter([scene])))).picture,
        device,
    )


def compare_sizes(
    name: RendererName, stage: Stage, sizes: Sequence[tuple[int, int]], device: torch.device
) -> None:
    """A renderer at several sizes."""
    for size in sizes:
        compare_renderer(name, stage, size, device)


def compare_command(stage: Stage, size: tuple[int, int], frames: int, device: torch.device) -> None:
    """Refocusing a file with the lens, reading and writing included: frames per second of both."""
    width, height = size
    tracer, form = RayTracer(stage, device), ClipFormat(width=width, height=height, frames=DRAWN)
    views = [form.view(number) for number in range(DRAWN)]
    shown = [from_linear(tracer.sharp(view, 1).clamp(0, 1), "srgb").cpu() for view in views]
    maps = [tracer.geometry(view).disparity.cpu() for view in views]
    with tempfile.TemporaryDirectory() as folder:
        clip, track, target = (Path(folder) / name for name in ("in.mp4", "track.mkv", "out.mp4"))
        with av.open(clip, "w") as file:
            stream = file.add_stream("libx264", rate=25, width=width, height=height, pix_fmt="yuv420p")
            for number in range(frames):
                codes = to_uint8(shown[number % DRAWN]).transpose(1, 2, 0)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(codes.copy(), "rgb24")))
            file.mux(stream.encode(None))
        with LosslessWriter(track, size, GRAY16, Fraction(1, 25), Fraction(25)) as writer:
            for number in range(frames):
                writer.write_integers(to_uint16(maps[number % DRAWN]), number)
        rates = []
        for one in (CPU, device):
            render = RenderSettings(renderer="lens", device="cuda" if one.type == "cuda" else "cpu")
            focus = FocusSettings(focus_disparity=FOCUS.focus_disparity, blur_strength=FOCUS.blur_strength)
            settings = Settings(focus=focus, depth=DepthSettings(track=track), render=render)
            started = time.perf_counter()
            refocus(clip, target, settings, overwrite=True)
            rates.append(frames / (time.perf_counter() - started))
    print(f"\nThe command, lens, {width}x{height}, {frames} frames, starting included:", end=" ")
    print(f"{rates[0]:.1f} frames per second on the CPU, {rates[1]:.1f} on {device}.", flush=True)


def time_diffusion(device: torch.device, *, is_tiny: bool) -> None:
    """The published network with random weights: seconds by part, the published manner, and memory."""
    size = diffusion.SIZES["small" if is_tiny else "full"]
    settings = DiffusionSettings(work_size=size.work_size)
    _start_memory(device)
    diffusion.print_times(size, [8] if is_tiny else [25, 50], device, settings)


def compare_depth(size: tuple[int, int], device: torch.device) -> None:
    """The compact network, in the precision of each."""
    width, height = size
    pictures = torch.rand(8, 3, height, width, generator=torch.Generator().manual_seed(0))
    half = torch.float32 if device.type == "cpu" else torch.float16
    networks = {CPU: load_compact(CPU, torch.float32), device: load_compact(device, half)}
    seen = (SHORTER_SIDE, SHORTER_SIDE * 16 // 9)

    def run(one: torch.device) -> Tensor:
        raw = networks[one].estimate(pictures, seen).cpu()
        return (raw - raw.min()) / (raw.max() - raw.min())

    compare("compact disparity, 8 frames", run, device)


def make_batch(windows: int, frames: int, size: tuple[int, int], device: torch.device) -> Batch:
    """Windows of noise."""
    random = torch.Generator().manual_seed(0)
    pictures = [torch.rand(windows, frames, 3, *size, generator=random) for _ in range(2)]
    batch = Batch(
        sharp=pictures[0],
        target=pictures[1],
        disparity=torch.rand(windows, frames, 1, *size, generator=random),
        focus_disparity=torch.full((windows, frames), FOCUS.focus_disparity),
        net_blur_strength=torch.full((windows, frames), FOCUS.blur_strength),
        perturbed=torch.zeros(windows, dtype=torch.bool),
    )
    return batch.to(device)


class Steps:
    """A network of ours, or one given, in training on ``device``."""

    def __init__(
        self,
        stage: StageName,
        size: str,
        device: torch.device,
        *changes: str,
        network: TrainedNetwork | None = None,
    ) -> None:
        torch.manual_seed(0)
        self.settings = training_settings(stage, None, changes)
        name = "cpu" if device.type == "cpu" else "cuda"
        self._accelerator = make_accelerator(self.settings, name)  # type: ignore[arg-type]
        if network is None:
            network = TrainedNetwork(*make_network(size, None), self.settings)  # type: ignore[arg-type]
        state = State(network.to(device), self.settings)
        self._network, self._optimizer = self._accelerator.prepare(state.network, state.optimizer)
        self._state = state

    def take(self, batch: Batch) -> float:
        """One step; return the loss before it."""
        loss: Tensor = self._network(batch)
        self._accelerator.backward(loss)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._state.advance()
        return float(loss.detach())


def compare_stages(device: torch.device) -> None:
    """Ten steps of each stage in full precision."""
    print("\n| stage, tiny, 10 steps | loss on the CPU | loss on the GPU |\n|---|---|---|")
    for stage in ("geometry", "temporal", "detail"):
        losses = []
        for one in (CPU, device):
            steps = Steps(stage, "tiny", one, "precision=no")  # type: ignore[arg-type]
            batch = make_batch(1, steps.settings.frames, (64, 64), one)
            losses.append([steps.take(batch) for _ in range(10)])
        row = [f"{found[0]:.5f} to {found[-1]:.5f}" for found in losses]
        print(f"| {stage} | {' | '.join(row)} |", flush=True)


def time_batches(device: torch.device, batches: Sequence[int]) -> None:
    """Steps of the geometry stage at small size."""
    print("\n| geometry, small, 128x128, 4 frames: batch | s/step | windows/s | memory |\n|---|---|---|---|")
    for windows in batches:
        _start_memory(device)
        steps = Steps("geometry", "small", device)
        batch = make_batch(windows, steps.settings.frames, (128, 128), device)
        spent = seconds(lambda: steps.take(batch), device, 8)  # noqa: B023
        print(
            f"| {windows} | {spent:.4f} | {windows / spent:.0f} | {_memory_gib(device):.2f} |",
            flush=True,
        )


def time_published(device: torch.device) -> None:
    """A step of the geometry stage at the paper's size; the weights are random."""
    with device:
        unet, vae = BokehUNet(UNetDims()), BokehVAE(VAEDims())
    settings = training_settings("geometry")
    network = TrainedNetwork(unet, vae, SCRATCH_FACTS, settings)
    steps = Steps("geometry", "svd", device, network=network)
    batch = make_batch(1, settings.frames, (576, 1024), device)
    _start_memory(device)
    spent = seconds(lambda: steps.take(batch), device, 2)
    print(
        f"\nA step of the published network's geometry stage, {settings.frames} frames of 1024x576:"
        f" {spent:.2f} s, {_memory_gib(device):.1f} GiB."
    )


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:-1])
    parser.add_argument("--tiny", action="store_true", help="small pictures, to try the script")
    arguments = parser.parse_args()
    device, is_tiny = choose_device(arguments.device), arguments.tiny
    large, largest = ((160, 96), (256, 144)) if is_tiny else ((1920, 1080), (3840, 2160))
    width, height = large if is_tiny else (1024, 576)
    clip = ClipFormat(width=width, height=height, frames=1)
    stage = rich_scene(np.random.default_rng(3), clip, Material()).stage
    print(f"{torch.cuda.get_device_name() if device.type == 'cuda' else device}, torch {torch.__version__},")
    print(f"{torch.get_num_threads()} threads of the CPU\n")
    print("| | CPU [s] | GPU [s] | times | PSNR between [dB] | memory |\n|---|---|---|---|---|---|")
    run: dict[str, Callable[[], None]] = {
        "rays": lambda: compare_rays(stage, clip, 16 if is_tiny else 256, device),
        "lens": lambda: compare_sizes("lens", stage, (large, largest), device),
        "small": lambda: compare_sizes("small", stage, (large, largest), device),
        "depth": lambda: compare_depth(large, device),
        "command": lambda: compare_command(stage, large, 4 if is_tiny else 250, device),
        "diffusion": lambda: time_diffusion(device, is_tiny=is_tiny),
        "training": lambda: time_training(device, [1] if is_tiny else [1, 8, 16, 32, 64]),
        "published": lambda: time_published(device),
    }
    for part in PARTS:
        if part in arguments.parts:
            run[part]()


def time_training(device: torch.device, batches: Sequence[int]) -> None:
    """Steps of every stage at tiny size, and of the first in batches."""
    compare_stages(device)
    time_batches(device, batches)


if __name__ == "__main__":
    main()
