"""The records of a run: its journal, TensorBoard's curves and stills, figures on whole frames."""

import time
from types import TracebackType
from typing import Self

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from any2bokeh.atomic import writes_to
from any2bokeh.errors import SettingsError
from any2bokeh.lab.frame_metrics import motion_error, psnr
from any2bokeh.lab.run_state import add_to_journal
from any2bokeh.lab.training.run_folder import JOURNAL, RunFolder
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.windows import Batch, Take, TrainingWindows

BOARD = "tensorboard"
MOST_CLIPS = 24  # that are looked at


class Records:
    """Writes them; only the main of several processes does."""

    def __init__(self, folder: RunFolder, *, is_main: bool) -> None:
        self._journal = folder.path / JOURNAL
        board = folder.path / BOARD
        with writes_to(board, SettingsError):
            self._board = SummaryWriter(str(board)) if is_main else None
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board:
            self._board.close()

    def note(self, step: int, **figures: float) -> None:
        """Note figures of a step."""
        if not self._board:
            return
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)
        rounded = {name: float(f"{value:.6g}") for name, value in figures.items()}
        entry = {"step": step, **rounded, "seconds": round(time.monotonic() - self._started, 1)}
        add_to_journal(self._journal, entry)

    def show(self, step: int, name: str, still: Tensor) -> None:
        """Show a picture, ``3 H W`` in 0..1."""
        if self._board:
            self._board.add_image(name, still.clamp(0, 1), step)


@torch.no_grad()
def measure_network(network: TrainedNetwork, windows: TrainingWindows) -> tuple[dict[str, float], Tensor]:
    """Return figures over clips, and a still: sharp, refocused and true, side by side, ``3 H W``.

    The figures are ``psnr`` [dB] and ``motion`` (see ``motion_error``) of the network's results on windows.
    """
    device = next(network.parameters()).device
    found: dict[str, list[float]] = {}
    still = torch.zeros(3, 1, 1)
    for number, take in enumerate(_takes(windows)):
        window = windows.window(take)
        batch = Batch(**{name: value[None] for name, value in window.items()}).to(device)
        pictures = network.pictures(batch).clamp(0, 1)
        found.setdefault("psnr", []).append(psnr((pictures - batch.target).square()))
        if pictures.shape[1] > 1:
            changes = (one.diff(dim=1) for one in (pictures, batch.target))
            found.setdefault("motion", []).append(motion_error(*changes))
        if number == 0:
            middle = pictures.shape[1] // 2
            sides = (batch.sharp, pictures, batch.target)
            still = torch.cat([images[0, middle].cpu() for images in sides], dim=2)
    return {name: sum(values) / len(values) for name, values in found.items()}, still


def _takes(windows: TrainingWindows) -> list[Take]:
    """One window of as many versions as are looked at, spread over all of them; always the same ones."""
    stride = max(1, len(windows) // MOST_CLIPS)
    drawn = [windows.take(number) for number in range(len(windows))]
    drawn.sort(key=lambda take: (take.clip.name, take.setting.name))
    return drawn[::stride][:MOST_CLIPS]
