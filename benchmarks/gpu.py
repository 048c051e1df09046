"""What a GPU makes faster than the CPU beside it, and that it gives the same.

    python benchmarks/gpu.py [--device cuda] [--rays 256] [--published]

Draws a scene at random, then runs on both, in one run: the ray tracer that makes training data, the lens at
1080p and at 2160p, the compact disparity network, ten steps of each stage of training at tiny size, and
steps of the small network at several batch sizes. ``--published`` adds a step of the geometry stage of the
published network, with random weights, at the paper's size. Prints tables in Markdown: seconds, how near the
two are, and the largest memory that was taken of the GPU [GiB].
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

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
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims
from any2bokeh.render.lens.renderer import make_lens
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings

CPU = torch.device("cpu")
REPEATS = 3
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


def compare_lens(stage: Stage, size: tuple[int, int], device: torch.device) -> None:
    """The compiled lens and that in torch."""
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
    lenses = {one: make_lens(LensSettings(), one, pictures) for one in (CPU, device)}
    compare(
        f"lens, {width}x{height}, K {FOCUS.blur_strength:g}", lambda one: lenses[one].refocus(scene), device
    )


def compare_depth(device: torch.device) -> None:
    """The compact network, in the precision of each."""
    pictures = torch.rand(8, 3, 576, 1024, generator=torch.Generator().manual_seed(0))
    networks = {CPU: load_compact(CPU, torch.float32), device: load_compact(device, torch.float16)}
    size = (SHORTER_SIDE, SHORTER_SIDE * 16 // 9)

    def run(one: torch.device) -> Tensor:
        raw = networks[one].estimate(pictures, size).cpu()
        return (raw - raw.min()) / (raw.max() - raw.min())

    compare("compact disparity, 8 frames", run, device)


def make_batch(
    windows: int, frames: int, size: tuple[int, int], device: torch.device, *, lens: bool
) -> Batch:
    """Windows of noise."""
    random = torch.Generator().manual_seed(0)
    pictures = [torch.rand(windows, frames, 3, *size, generator=random) for _ in range(3)]
    batch = Batch(
        sharp=pictures[0],
        target=pictures[1],
        disparity=torch.rand(windows, frames, 1, *size, generator=random),
        focus_disparity=torch.full((windows, frames), FOCUS.focus_disparity),
        net_blur_strength=torch.full((windows, frames), FOCUS.blur_strength),
        perturbed=torch.zeros(windows, dtype=torch.bool),
        through_lens=pictures[2] if lens else None,
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
            network = TrainedNetwork(*make_network(stage, size, None), self.settings)  # type: ignore[arg-type]
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
    for stage in ("geometry", "temporal", "detail", "correction"):
        losses = []
        for one in (CPU, device):
            steps = Steps(stage, "tiny", one, "precision=no")  # type: ignore[arg-type]
            batch = make_batch(1, steps.settings.frames, (64, 64), one, lens=stage == "correction")
            losses.append([steps.take(batch) for _ in range(10)])
        row = [f"{found[0]:.5f} to {found[-1]:.5f}" for found in losses]
        print(f"| {stage} | {' | '.join(row)} |", flush=True)


def time_small(device: torch.device) -> None:
    """Steps of the small network, which corrects the lens."""
    print("\n| small network, 128x128, 5 frames: batch | s/step | windows/s | memory |\n|---|---|---|---|")
    for windows in (1, 8, 16, 32, 64):
        _start_memory(device)
        steps = Steps("correction", "small", device)
        batch = make_batch(windows, steps.settings.frames, (128, 128), device, lens=True)
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
    facts = replace(SCRATCH_FACTS, answers="refocused")
    network = TrainedNetwork(unet, vae, facts, settings)
    steps = Steps("geometry", "svd", device, network=network)
    batch = make_batch(1, settings.frames, (576, 1024), device, lens=False)
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
    parser.add_argument("--rays", type=int, default=256)
    parser.add_argument("--published", action="store_true")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    clip = ClipFormat(width=1024, height=576, frames=1)
    stage = rich_scene(np.random.default_rng(3), clip, Material()).stage
    print(f"{torch.cuda.get_device_name() if device.type == 'cuda' else device}, torch {torch.__version__},")
    print(f"{torch.get_num_threads()} threads of the CPU\n")
    print("| | CPU [s] | GPU [s] | times | PSNR between [dB] | memory |\n|---|---|---|---|---|---|")
    compare_rays(stage, clip, arguments.rays, device)
    for size in ((1920, 1080), (3840, 2160)):
        compare_lens(stage, size, device)
    compare_depth(device)
    compare_stages(device)
    time_small(device)
    if arguments.published:
        time_published(device)


if __name__ == "__main__":
    main()
