"""Frames and disparity that are in memory, refocused one after the other; no video is read or written."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice, pairwise, repeat
from numbers import Real
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.closeable import Closeable
from any2bokeh.device import choose_device
from any2bokeh.errors import DisparityError, SettingsError, ShapeError
from any2bokeh.focus.depth_of_field import focused_scene
from any2bokeh.focus.focus_track import Focus
from any2bokeh.render.base import make_renderer
from any2bokeh.render.grain.clip_noise import measure_noise
from any2bokeh.render.grain.grained import with_grain
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.focus_settings import BLUR_STRENGTH, FOCUS_DISPARITY, DepthOfFieldSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import Range
from any2bokeh.video.matrix import Coding, from_rgb, to_rgb

Array = NDArray[Any] | Tensor
Picture = TypeVar("Picture", bound=Array)
PerFrame = float | Iterable[float]  # the same for all frames, or one for each

DEFAULT_RENDERING, PLAIN_DEPTH_OF_FIELD = RenderSettings(), DepthOfFieldSettings()
# As in a video of 8 bits: blurred pixels are dithered, and every other code comes back unchanged.
EIGHT_BITS = Coding(kind="rgb", depth=8, matrix=1, is_full_range=True)
MEASURED_FRAMES = 4  # by which noise is measured, where grain is asked for
_END = object()


def refocus_frames(
    frames: Iterable[Picture],
    disparity: Iterable[Array],
    *,
    focus_disparity: PerFrame,
    blur_strength: PerFrame,
    settings: RenderSettings = DEFAULT_RENDERING,
    depth_of_field: DepthOfFieldSettings = PLAIN_DEPTH_OF_FIELD,
) -> "RefocusedFrames[Picture]":
    """Return the refocused frames as an iterator: as many as ``frames``, of their kind and size.

    ``frames`` are arrays ``H W 3`` or tensors ``3 H W`` of sRGB code values: uint8, or float32 in 0..1.
    ``disparity`` are arrays or tensors ``H W`` or ``1 H W`` in 0..1 (near is 1), as large as their frames.
    ``focus_disparity`` is the disparity that stays sharp (0..1), ``blur_strength`` the radius of the circle
    of confusion in pixels, per unit of disparity difference, where the longer side has 1024 pixels (0..128);
    each is one number, or one for each frame.

    Frames are read when results are asked for, in the same thread. The lens reads two ahead, for the
    brightness of lights (none with ``highlights=0``), and three more in its best quality; a network reads the
    window that it works on; with ``settings.grain`` four are read at the beginning, as they tell the noise.

    Raises ``SettingsError`` for numbers out of range. While the result is iterated: ``ShapeError`` where
    frames and disparity are not of one kind, size and number, ``SettingsError`` and ``DisparityError`` for
    values out of range, ``WeightsError`` if the network asked for is not on this machine.
    """
    plane = _Values.of(FOCUS_DISPARITY, focus_disparity)
    strength = _Values.of(BLUR_STRENGTH, blur_strength)
    given = _joined(frames, disparity, plane, strength)
    return RefocusedFrames(given, settings, depth_of_field, strength.constant)


class RefocusedFrames(Generic[Picture], Iterator[Picture], Closeable):
    """The frames that ``refocus_frames`` gives, and their facts so far.

    ``frames`` counts those given out; ``focus`` and ``k`` are the smallest and the largest value of theirs.
    ``size`` (height, width) and ``renderer`` are known with the first. The renderer's threads and memory are
    given back after the last frame, by ``close()``, and at the end of a ``with`` block.
    """

    def __init__(
        self,
        given: Iterator[tuple[Picture, Array, Focus]],
        settings: RenderSettings,
        depth_of_field: DepthOfFieldSettings,
        strongest: float | None,
    ) -> None:
        self.frames = 0
        self.size: tuple[int, int] | None = None
        self.renderer: str | None = None
        self.focus: tuple[float, float] | None = None
        self.k: tuple[float, float] | None = None
        self._settings, self._depth_of_field, self._strongest = settings, depth_of_field, strongest
        self._in_work: deque[Focus] = deque()  # of the frames that the renderer has read and not given back
        self._made = self._render(given)

    def __next__(self) -> Picture:
        return next(self._made)

    def close(self) -> None:
        """Stop; nothing is given out after that. Closing twice is harmless."""
        self._made.close()

    def _render(self, given: Iterator[tuple[Picture, Array, Focus]]) -> Generator[Picture]:
        first = next(given, None)
        if first is None:
            return
        kind = _FrameKind.of(first[0])
        pictures = PictureFormat(height=kind.height, width=kind.width)
        device = choose_device(self._settings.device)
        ahead = [first, *islice(given, MEASURED_FRAMES - 1)] if self._settings.grain else [first]
        plain = make_renderer(self._settings, device, pictures, self._strongest)
        renderer = with_grain(
            plain, self._settings, lambda: measure_noise(kind.pairs(ahead), "srgb"), pictures
        )
        self.size, self.renderer = (kind.height, kind.width), renderer.name
        try:
            for made in renderer.render(self._scenes(kind, chain(ahead, given))):  # same order, same number
                self._count(self._in_work.popleft())
                yield kind.like_given(made.picture)
        finally:
            renderer.close()

    def _scenes(self, kind: "_FrameKind", given: Iterable[tuple[Picture, Array, Focus]]) -> Iterator[Scene]:
        for number, (frame, disparity, focus) in enumerate(given):
            sharp = kind.to_picture(frame, number)
            near = _to_disparity(disparity, kind, number)
            self._in_work.append(focus)
            yield focused_scene(Frame(picture=sharp, pts=number), near, focus, self._depth_of_field)

    def _count(self, focus: Focus) -> None:
        self.frames += 1
        self.focus = _widened(self.focus, focus.focus_disparity)
        self.k = _widened(self.k, focus.blur_strength)


@dataclass(frozen=True)
class _Values:
    """A number for each frame: ``constant``, or what ``values`` gives."""

    name: str
    values: Iterator[float]
    constant: float | None

    @classmethod
    def of(cls, accepted: Range, value: PerFrame) -> "_Values":
        """What an argument asks for; raises ``SettingsError`` for a number that is not ``accepted``."""
        is_number = isinstance(value, Real) or getattr(value, "ndim", None) == 0
        if is_number or not isinstance(value, Iterable):
            number = _checked(accepted, value)
            return cls(accepted.name, repeat(number), number)
        return cls(accepted.name, (_checked(accepted, one) for one in value), None)


def _checked(accepted: Range, value: Any) -> float:
    number = value.item() if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 else value
    accepted.check(number)
    return float(number)


def _joined(
    frames: Iterable[Picture], disparity: Iterable[Array], plane: _Values, strength: _Values
) -> Iterator[tuple[Picture, Array, Focus]]:
    """Each frame with what belongs to it; raises ``ShapeError`` when one argument ends before another."""
    given: dict[str, Iterator[Any]] = {"frames": iter(frames), "disparity": iter(disparity)}
    given |= {one.name: one.values for one in (plane, strength)}
    endless = {one.name for one in (plane, strength) if one.constant is not None}
    for number in count():
        values: dict[str, Any] = {name: next(iterator, _END) for name, iterator in given.items()}
        ended = [name for name, value in values.items() if value is _END]
        going_on = [name for name in values if name not in ended and name not in endless]
        if ended and going_on:
            raise ShapeError(f"`{ended[0]}` ends after {number} frames, `{going_on[0]}` goes on.")
        if ended:
            return
        focus = Focus(values[plane.name], values[strength.name])
        yield values["frames"], values["disparity"], focus


@dataclass(frozen=True)
class _FrameKind:
    """What all frames of one call are: tensors on a device, or arrays, of one type and size."""

    device: torch.device | None  # None: arrays
    dtype: str
    height: int
    width: int

    @classmethod
    def of(cls, frame: object, number: int = 0) -> "_FrameKind":
        """The kind of a frame; raises ``ShapeError`` for one that no frame can have."""
        if isinstance(frame, Tensor):
            channels, device, dtype = 0, frame.device, str(frame.dtype).removeprefix("torch.")
        elif isinstance(frame, np.ndarray):
            channels, device, dtype = 2, None, str(frame.dtype)
        else:
            raise ShapeError(f"`frames` must be arrays or tensors, got {type(frame).__name__}.")
        shape = tuple(frame.shape)
        if len(shape) != 3 or shape[channels] != 3 or dtype not in ("uint8", "float32") or 0 in shape:
            wanted = "3 H W" if device else "H W 3"
            raise ShapeError(
                f"`frames` must be {wanted} uint8 or float32, got {shape} {dtype} as frame {number}."
            )
        height, width = shape[1:] if device else shape[:2]
        return cls(device, dtype, height, width)

    def __str__(self) -> str:
        what = "an array" if self.device is None else f"a tensor on {self.device}"
        return f"{what} {self.width}x{self.height} {self.dtype}"

    def to_picture(self, frame: Array, number: int) -> Tensor:
        """A frame as ``3 H W`` float32 in 0..1, in memory of its own: the frame's may be used again."""
        kind = _FrameKind.of(frame, number)
        if kind != self:
            raise ShapeError(f"`frames` must be alike: frame {number} is {kind}, the first is {self}.")
        planes = _to_numpy(frame)
        if self.device is None:
            planes = planes.transpose(2, 0, 1)
        if self.dtype == "uint8":
            picture = np.empty(planes.shape, np.float32)
            to_rgb(list(np.ascontiguousarray(planes)), EIGHT_BITS, picture)
            return torch.from_numpy(picture)
        picture = np.array(planes, np.float32, order="C")
        if (found := _outside(picture)) is not None:
            raise SettingsError(f"`frames` must be from 0 to 1, got {found:g} in frame {number}.")
        return torch.from_numpy(picture)

    def pairs(self, frames: Sequence[tuple[Any, Array, Focus]]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Frames, each with the next one, as ``3 H W``."""
        pictures = [self.to_picture(frame, number) for number, (frame, _, _) in enumerate(frames)]
        yield from pairwise(pictures) if pictures[1:] else [(pictures[0], None)]

    def like_given(self, picture: Tensor) -> Any:
        """A picture ``3 H W`` float32 as what frames are."""
        planes: NDArray[Any] = picture.cpu().numpy()
        if self.dtype == "uint8":
            values, planes = planes, np.empty(planes.shape, np.uint8)
            from_rgb(values, EIGHT_BITS, list(planes))
        if self.device is None:
            return np.array(planes.transpose(1, 2, 0), order="C")
        return torch.tensor(planes, device=self.device)


def _to_disparity(disparity: object, kind: _FrameKind, number: int) -> Tensor:
    """Disparity as ``1 H W`` float32, in memory of its own."""
    if not isinstance(disparity, Tensor | np.ndarray):
        raise ShapeError(f"`disparity` must be arrays or tensors, got {type(disparity).__name__}.")
    given = _to_numpy(disparity)
    if given.shape not in ((kind.height, kind.width), (1, kind.height, kind.width)):
        raise ShapeError(
            f"`disparity` must be ({kind.height}, {kind.width}), the size of its frame,"
            f" got {given.shape} for frame {number}."
        )
    if given.dtype.kind != "f":
        raise ShapeError(f"`disparity` must be of floats, got {given.dtype} for frame {number}.")
    values = np.array(given, np.float32, order="C").reshape(1, kind.height, kind.width)
    if (found := _outside(values)) is not None:
        raise DisparityError(f"`disparity` must be from 0 to 1, got {found:g} for frame {number}.")
    return torch.from_numpy(values)


def _to_numpy(values: Array) -> NDArray[Any]:
    if not isinstance(values, Tensor):
        return values
    on_cpu = values.detach().cpu()
    return (on_cpu.float() if on_cpu.dtype == torch.bfloat16 else on_cpu).numpy()


def _outside(values: NDArray[np.float32]) -> float | None:
    """A value that is not in 0..1, if there is one."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return None
    return high if low >= 0 else low  # of NaN both are NaN


def _widened(known: tuple[float, float] | None, value: float) -> tuple[float, float]:
    low, high = known or (value, value)
    return min(low, value), max(high, value)
