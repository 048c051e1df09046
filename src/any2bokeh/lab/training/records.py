"""What a run tells of itself: a journal of lines, and TensorBoard's curves and stills."""

import json
import time
from types import TracebackType
from typing import Self

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from any2bokeh.lab.training.run_folder import JOURNAL, RunFolder


class Records:
    """Writes them; only the main of several processes does."""

    def __init__(self, folder: RunFolder, *, is_main: bool) -> None:
        self._journal = folder.path / JOURNAL
        self._board = SummaryWriter(str(folder.path / "tensorboard")) if is_main else None
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
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def show(self, step: int, name: str, still: Tensor) -> None:
        """Show a picture, ``3 H W`` in 0..1."""
        if self._board:
            self._board.add_image(name, still.clamp(0, 1), step)
