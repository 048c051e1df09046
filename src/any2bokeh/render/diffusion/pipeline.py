"""The diffusion renderer: one step of the paper's network, on clips of any length and size."""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.optics.mpi import plane_labels, plane_thresholds
from any2bokeh.render.choose import LARGEST_NET_BLUR_STRENGTH
from any2bokeh.render.diffusion.answer import compose, difference_picture
from any2bokeh.render.diffusion.chunks import fuse_chunks, needed_items
from any2bokeh.render.diffusion.memory import WindowPlan, device_memory, plan_windows
from any2bokeh.render.diffusion.network import BokehNetwork, FrameCode, NetworkInputs
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.render_settings import ChunkSettings, DiffusionSettings

# Multiplications and additions of the published network for a pixel of the working frame, as counted by
# benchmarks/diffusion_counts.py: to encode it, in the U-Net, and to decode it.
ENCODE_OPERATIONS, DENOISE_OPERATIONS, DECODE_OPERATIONS = 4.43e6, 7.44e6, 11.9e6

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _CodedScene:
    scene: Scene
    code: FrameCode


class DiffusionRenderer:
    """Renders with the network; memory depends on the working frame and the windows, not on the clip.

    Frames are encoded once, denoised in chunks that overlap and are blended as latents, decoded in windows
    that overlap and are blended as pictures, and put back into the clip's own pixels.
    """

    name = "diffusion"

    def __init__(
        self,
        network: BokehNetwork,
        settings: DiffusionSettings,
        pictures: PictureFormat,
    ) -> None:
        self._network, self._settings = network, settings
        self._frame = WorkingFrame.of(pictures, settings.work_size)
        self._windows = self._plan_windows(self._frame)

    @property
    def work_per_frame(self) -> float:
        """Each frame is seen in several chunks, a first one alone in one."""
        return _repeats(self._settings.chunks)

    @property
    def operations_per_frame(self) -> float:
        """As counted for the paper's network."""
        pixels = self._frame.padded_height * self._frame.padded_width
        denoise = DENOISE_OPERATIONS * _repeats(self._settings.chunks)
        decode = DECODE_OPERATIONS * _repeats(self._windows.decode)
        return pixels * (2 * ENCODE_OPERATIONS + denoise + decode)  # picture and geometry are encoded

    def context(self, part: range, frames: int) -> range:
        """Return the scenes whose chunks and windows say all that is said of the part.

        They begin where chunks, windows and the groups that are encoded together all begin in a whole clip.
        """
        needed = part
        decoded, denoised = self._windows.decode, self._settings.chunks
        for settings in (decoded, denoised):
            needed = needed_items(needed, frames, settings)
        encoded = self._windows.encode
        grid = math.lcm(*(one.length - one.overlap for one in (decoded, denoised)), encoded)
        stop = -(-needed.stop // encoded) * encoded
        return range(needed.start // grid * grid, min(frames, stop))

    def peak_bytes(self, pictures: PictureFormat) -> int:
        """The network's peak device memory for clips of ``pictures``, as counted."""
        return self._plan_windows(WorkingFrame.of(pictures, self._settings.work_size)).peak_bytes

    def close(self) -> None:
        """Give the device's memory back; nothing can be rendered after that."""
        self._network.release()

    def _plan_windows(self, frame: WorkingFrame) -> WindowPlan:
        memory_bytes = device_memory(self._network.device)
        return plan_windows(frame, self._settings.chunks, self._network.footprint, memory_bytes)

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene.

        Raises ``SettingsError`` if the device runs out of memory, ``WeightsError`` if the network draws
        values that are not numbers.
        """
        coded = self._encode(_with_warning(scenes, self._frame))
        denoised = fuse_chunks(coded, self._settings.chunks, self._denoise)
        decoded = fuse_chunks(denoised, self._windows.decode, self._decode)
        try:
            for (shown, _), picture in decoded:
                refocused = self._compose(shown, self._frame.crop(picture))
                yield Frame(picture=refocused.cpu(), pts=shown.scene.pts)
        except torch.OutOfMemoryError as error:
            raise SettingsError(
                f"{self._network.device} does not have enough memory for the network.",
                hint="Use `low_memory=True`, or a smaller `work_size`.",
            ) from error

    def _encode(self, scenes: Iterator[Scene]) -> Iterator[_CodedScene]:
        device, alpha = self._network.device, self._network.facts.mpi_alpha
        while group := list(islice(scenes, self._windows.encode)):
            inputs = network_inputs(group, self._frame, alpha, device)
            codes = self._network.encode(inputs, self._frame, keeps_skips=self._windows.keeps_skips)
            yield from (_CodedScene(*one) for one in zip(group, codes, strict=True))

    def _compose(self, shown: _CodedScene, picture: Tensor) -> Tensor:
        if not bool(picture.isfinite().all()):
            raise WeightsError(
                "The network returned values that are not numbers.", hint="Use `dtype=float32`."
            )
        return compose(shown.scene, picture, self._frame)

    def _denoise(self, chunk: Sequence[_CodedScene]) -> Tensor:
        return self._network.denoise([shown.code for shown in chunk])

    def _decode(self, window: Sequence[tuple[_CodedScene, Tensor]]) -> Tensor:
        return self._network.decode([(shown.code, latents) for shown, latents in window])


def network_inputs(
    group: Sequence[Scene], frame: WorkingFrame, mpi_alpha: float, device: torch.device
) -> NetworkInputs:
    """The network's inputs; geometry and labels are made at the clip's size, then scaled."""

    def stack(images: Iterable[Tensor]) -> Tensor:
        return torch.stack([image.to(device) for image in images])

    labels = stack(labels_around(s.disparity, s.focus_disparity, mpi_alpha) for s in group)
    return NetworkInputs(
        pictures=frame.scale(stack(scene.sharp for scene in group)) * 2 - 1,
        geometry=frame.scale(stack(difference_picture(s.disparity, s.focus_disparity) for s in group)),
        labels=frame.scale_labels(labels),
        blur_strengths=[frame.net_blur_strength(scene.blur_strength) for scene in group],
    )


def _repeats(chunks: ChunkSettings) -> float:
    """How often a frame is processed in chunks that overlap."""
    return chunks.length / (chunks.length - chunks.overlap)


def labels_around(disparity: Tensor, focus_disparity: float, alpha: float) -> Tensor:
    """The plane of each pixel around the focal plane, ``1 H W`` uint8, as the paper cuts the scene."""
    return plane_labels(disparity, focus_disparity, plane_thresholds(focus_disparity, alpha=alpha))


def _with_warning(scenes: Iterator[Scene], frame: WorkingFrame) -> Iterator[Scene]:
    """The scenes; the first one whose blur is stronger than the network has seen is told of."""
    warned = False
    for scene in scenes:
        net_blur_strength = frame.net_blur_strength(scene.blur_strength)
        if not warned and net_blur_strength > LARGEST_NET_BLUR_STRENGTH:
            warned = True
            largest = LARGEST_NET_BLUR_STRENGTH * scene.blur_strength / net_blur_strength
            log.warning(
                "K %g exceeds the range of the network's training, %.3g at this size; the lens has no limit.",
                scene.blur_strength,
                largest,
            )
        yield scene
