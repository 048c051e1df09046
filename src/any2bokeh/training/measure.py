"""How well a network does on whole frames, while it is trained: ``bokeh evaluate`` has the full table."""

import math

import torch
from torch import Tensor

from any2bokeh.training.data import Batch, Take, Windows
from any2bokeh.training.model import TrainedNetwork

MOST_CLIPS = 24  # that are looked at
LEAST_ERROR = 1e-10


@torch.no_grad()
def measure(network: TrainedNetwork, windows: Windows) -> tuple[dict[str, float], Tensor]:
    """Return figures over clips, and a still: sharp, lens, refocused and true, side by side, ``3 H W``.

    ``psnr`` [dB] and ``motion`` (mean absolute error of the change from frame to frame) of what the network
    makes of the first version of each clip; ``lens_psnr`` and ``lens_motion`` of the lens, if it corrects it.
    """
    device = next(network.parameters()).device
    found: dict[str, list[float]] = {}
    still = torch.zeros(3, 1, 1)
    for number, take in enumerate(_takes(windows)):
        window = windows.window(take)
        batch = Batch(**{name: value[None] for name, value in window.items()}).to(device)
        pictures = network.pictures(batch).clamp(0, 1)
        shown = {"": pictures}
        if batch.through_lens is not None:
            shown["lens_"] = batch.through_lens
        for prefix, images in shown.items():
            found.setdefault(f"{prefix}psnr", []).append(psnr(images, batch.target))
            change = (images - batch.target).diff(dim=1).abs().mean()
            found.setdefault(f"{prefix}motion", []).append(float(change) if images.shape[1] > 1 else 0.0)
        if number == 0:
            sides = [batch.sharp, *([] if batch.through_lens is None else [batch.through_lens])]
            middle = pictures.shape[1] // 2
            still = torch.cat([image[0, middle].cpu() for image in (*sides, pictures, batch.target)], dim=2)
    return {name: sum(values) / len(values) for name, values in found.items()}, still


def psnr(picture: Tensor, truth: Tensor) -> float:
    """Peak signal to noise ratio [dB] of pictures in 0..1."""
    return -10 * math.log10(max(float((picture - truth).square().mean()), LEAST_ERROR))


def _takes(windows: Windows) -> list[Take]:
    """One window of as many versions as are looked at, spread over all of them; always the same ones."""
    stride = max(1, len(windows) // MOST_CLIPS)
    drawn = [windows.take(number) for number in range(len(windows))]
    drawn.sort(key=lambda take: (take.clip.name, take.setting.name))
    return drawn[::stride][:MOST_CLIPS]
