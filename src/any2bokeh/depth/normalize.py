"""Raw disparity to 0..1, once for each shot, in memory that does not grow with the clip."""

import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from any2bokeh.errors import DisparityError

PERCENTILES = (0.1, 99.9)  # of the shot's disparity: what becomes 0 and what becomes 1

_SAMPLES = 1_000_000  # per shot: the 0.1 percentile then rests on a thousand values
_CODES = 65535
_HEADER = struct.Struct("<qqdd")  # pts, number of the shot, smallest value, spread


class DisparityRange:
    """The range of the values it was shown, from a random sample of bounded size."""

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(0)
        self._samples = torch.empty(0)
        self._kept_share = 1.0

    def add(self, disparity: Tensor) -> None:
        """Take the values of one frame (any shape, any scale) into account."""
        values = disparity.flatten().cpu()
        if self._kept_share < 1:
            values = values[torch.rand(len(values), generator=self._generator) < self._kept_share]
        self._samples = torch.cat([self._samples, values])
        while len(self._samples) > _SAMPLES:
            self._kept_share /= 2
            order = torch.randperm(len(self._samples), generator=self._generator)
            self._samples = self._samples[order[: len(order) // 2]]

    def limits(self) -> tuple[float, float]:
        """Return the values at the two ``PERCENTILES``."""
        low, high = np.percentile(self._samples.numpy(), PERCENTILES)
        return float(low), float(high)


def normalize(disparity: Tensor, limits: tuple[float, float]) -> Tensor:
    """Return the disparity with ``limits`` mapped to 0 and 1, clamped; one value everywhere becomes 0."""
    low, high = limits
    spread = high - low
    return ((disparity - low) / (spread if spread > 0 else 1.0)).clamp(0, 1)


class RawTrack:
    """The raw disparity of a clip, kept on disk until the range of each of its shots is known.

    A frame is kept in 16-bit codes of its own range. The file has no name: it vanishes with the process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Keep the file in ``folder``, or where temporary files go."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by __exit__
        self._shots: list[DisparityRange] = []
        self._starts: list[int] = []
        self._frames = 0
        self._shape: torch.Size | None = None

    def __enter__(self) -> "RawTrack":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def shots(self) -> int:
        """How many shots there are so far."""
        return len(self._shots)

    def add(self, pts: int, disparity: Tensor, *, new_shot: bool) -> None:
        """Append the frame at ``pts``: ``1 h w`` in any scale, of the same size as those before.

        Raises ``DisparityError`` if the disk is full.
        """
        if new_shot or not self._shots:
            self._shots.append(DisparityRange())
            self._starts.append(self._frames)
        self._frames += 1
        self._shots[-1].add(disparity)
        self._shape = disparity.shape
        low, spread = float(disparity.min()), float(disparity.max() - disparity.min())
        codes = ((disparity.cpu() - low) / (spread if spread > 0 else 1.0) * _CODES).round()
        try:
            self._file.write(_HEADER.pack(pts, len(self._shots) - 1, low, spread))
            self._file.write(codes.numpy().astype(np.uint16).tobytes())
        except OSError as error:
            raise DisparityError(
                f"Disparity cannot be written to a temporary file: {error.strerror}.",
                hint="Set TMPDIR or ANY2BOKEH_CACHE to a folder with more space.",
            ) from error

    def limits(self) -> list[tuple[int, float, float]]:
        """Return the number of the first frame of each shot, and the raw values that become 0 and 1."""
        return [(start, *shot.limits()) for start, shot in zip(self._starts, self._shots, strict=True)]

    def normalized(self) -> Iterator[tuple[int, Tensor]]:
        """Yield pts and disparity (``1 h w`` float32, 0..1) of every frame, in order."""
        if self._shape is None:
            return
        limits = [shot.limits() for shot in self._shots]
        self._file.seek(0)
        while header := self._file.read(_HEADER.size):
            pts, shot, low, spread = _HEADER.unpack(header)
            codes = np.frombuffer(self._file.read(2 * self._shape.numel()), np.uint16).reshape(self._shape)
            disparity = torch.from_numpy(codes.astype(np.float32)) * (spread / _CODES) + low
            yield pts, normalize(disparity, limits[shot])
