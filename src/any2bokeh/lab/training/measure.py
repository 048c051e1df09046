"""How well a network does on whole frames, while it is trained: ``bokeh evaluate`` has the full table."""

import torch
from torch import Tensor

from any2bokeh.lab.evaluation.metrics import motion_error, psnr
from any2bokeh.lab.training.model import TrainedNetwork
from any2bokeh.lab.training.windows import Batch, Take, Windows

MOST_CLIPS = 24  # that are looked at


@torch.no_grad()
def measure(network: TrainedNetwork, windows: Windows) -> tuple[dict[str, float], Tensor]:
    """Return figures over clips, and a still: sharp, lens, refocused and true, side by side, ``3 H W``.

    ``psnr`` [dB] and ``motion`` (see ``motion_error``) of what the network makes of windows, and if it
    corrects the lens, ``lens_psnr`` and ``lens_motion``.
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
            found.setdefault(f"{prefix}psnr", []).append(psnr((images - batch.target).square()))
            if images.shape[1] > 1:
                changes = (one.diff(dim=1) for one in (images, batch.target))
                found.setdefault(f"{prefix}motion", []).append(motion_error(*changes))
        if number == 0:
            sides = [batch.sharp, *([] if batch.through_lens is None else [batch.through_lens])]
            middle = pictures.shape[1] // 2
            still = torch.cat([image[0, middle].cpu() for image in (*sides, pictures, batch.target)], dim=2)
    return {name: sum(values) / len(values) for name, values in found.items()}, still


def _takes(windows: Windows) -> list[Take]:
    """One window of as many versions as are looked at, spread over all of them; always the same ones."""
    stride = max(1, len(windows) // MOST_CLIPS)
    drawn = [windows.take(number) for number in range(len(windows))]
    drawn.sort(key=lambda take: (take.clip.name, take.setting.name))
    return drawn[::stride][:MOST_CLIPS]
