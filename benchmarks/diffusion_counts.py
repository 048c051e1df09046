"""What the published network costs, counted without a device: operations and memory of each part.

    python benchmarks/diffusion_counts.py

Prints a table in Markdown for one frame at 1024x576 in float16 (a multiply-add is two operations), and how
the decoder's windows and their cost follow the memory of a device.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from any2bokeh.render.diffusion.memory import Footprint, plan_windows
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims, UNetInputs
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.settings.render_settings import ChunkSettings


class PeakMemory(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at once, without a device to hold them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and take note of what it made."""
        made = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)

        def forget() -> None:
            self._known.discard(key)
            self.live -= size

        weakref.finalize(storage, forget)


@contextmanager
def fused_attention() -> Iterator[list[int]]:
    """Let attention take no memory besides its result, as on a GPU; collects its operations."""
    operations: list[int] = []

    def attend(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        operations.append(4 * q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2] * q.shape[3])
        return torch.empty_like(q)

    with patch("any2bokeh.render.diffusion.attention.scaled_dot_product_attention", attend):
        yield operations


def print_counts() -> None:
    """Operations and memory of the published network for one frame at 1024x576, in float16."""
    height, width, frames = 576, 1024, 8
    dims = UNetDims()

    def empty(*shape: int) -> Tensor:
        return torch.empty(*shape, device="meta", dtype=torch.float16)

    with torch.device("meta"):
        unet, vae = BokehUNet(dims).half().to("meta"), BokehVAE(VAEDims()).half().to("meta")
    inputs = UNetInputs(
        latents=empty(1, frames, 8, height // 8, width // 8),
        embeds=empty(1, frames, dims.context_channels),
        labels=torch.empty(1, frames, 1, height, width, device="meta"),
        blur_strength=torch.empty(1, frames, device="meta"),
        time_ids=torch.empty(1, 3, device="meta"),
    )
    skips = tuple(
        empty(frames, c, height // s, width // s) for c, s in ((128, 1), (128, 2), (256, 4), (512, 8))
    )
    latents, pictures = empty(frames, 4, height // 8, width // 8), empty(1, 3, height, width)
    parts: dict[str, tuple[Callable[[], object], int]] = {
        "encode a picture": (lambda: vae.encode(pictures), 1),
        "U-Net, released": (lambda: unet(inputs, mask_mode="released"), frames),
        "U-Net, paper": (lambda: unet(inputs, mask_mode="paper"), frames),
        "U-Net, --no-mpi": (lambda: unet(inputs, mask_mode="paper", gates=False), frames),
        "decode": (lambda: vae.decode(latents, skips), frames),
    }
    print("| one frame at 1024x576 | TFLOP | memory at the peak, GiB | elements per pixel |")
    print("|---|---|---|---|")
    for name, (run, count) in parts.items():
        flops, memory = FlopCounterMode(display=False), PeakMemory()
        with torch.no_grad(), fused_attention() as attended, flops, memory:
            run()
        tera = (flops.get_total_flops() + sum(attended)) / count / 1e12
        elements = memory.peak / 2 / (count * height * width)
        print(f"| {name} | {tera:.2f} | {memory.peak / count / 2**30:.2f} | {elements:.0f} |")


def print_windows() -> None:
    """The decoder's windows by the device's memory, for the published sizes in half precision."""
    frame = WorkingFrame.fit(1080, 1920, 1, 1024)
    footprint = Footprint.of_published(5_200_000_000, encoder_element=2, decoder_element=2)
    print("\n| device memory, GB | decoder window | decoded per frame | skips wait | counted peak, GB |")
    print("|---|---|---|---|---|")
    for gigabytes in (8, 12, 16, 24, 32, 48, 80, 141):
        windows = plan_windows(frame, ChunkSettings(), footprint, gigabytes * 10**9)
        decode = windows.decode
        waits = "on the device" if windows.keeps_skips else "in memory"
        cost = decode.length / (decode.length - decode.overlap)
        peak = windows.peak_bytes / 1e9
        print(
            f"| {gigabytes} | {decode.length}, {decode.overlap} shared | {cost:.2f} | {waits} | {peak:.1f} |"
        )


if __name__ == "__main__":
    print_counts()
    print_windows()
