"""The diffusion renderer: one step of the paper's network, on clips of any length and size."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

import torch
from torch import Tensor

from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.optics.coc import REFERENCE_SIDE_PX
from any2bokeh.render.choose import LARGEST_NET_BLUR_STRENGTH
from any2bokeh.render.diffusion.blend import fuse_chunks
from any2bokeh.render.diffusion.compose import compose, correct
from any2bokeh.render.diffusion.condition import correction_geometry, difference_picture, labels_around
from any2bokeh.render.diffusion.memory import device_memory, plan_windows
from any2bokeh.render.diffusion.network import BokehNetwork, FrameCode, NetworkInputs
from any2bokeh.render.diffusion.working import WorkingFrame
from any2bokeh.render.lens.renderer import LensRenderer, make_lens
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.focus_settings import BLUR_STRENGTH
from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings
from any2bokeh.weights.checkpoint import CheckpointFacts

LEAST_BLUR_PX = 1e-3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _CodedScene:
    scene: Scene
    code: FrameCode
    through_lens: Tensor | None


class DiffusionRenderer:
    """Renders with the network; memory depends on the working frame and the windows, not on the clip.

    Frames are encoded once, denoised in chunks that overlap and are blended as latents, decoded in windows
    that overlap and are blended as pictures, and put back into the clip's own pixels.
    """

    cost_is_even = False  # a frame waits for its chunk

    def __init__(
        self,
        network: BokehNetwork,
        settings: DiffusionSettings,
        pictures: PictureFormat,
        blur_strength: float | None = None,
        *,
        name: str = "diffusion",
    ) -> None:
        self.name = name
        self._network, self._settings = network, settings
        self._lens: LensRenderer | None = None
        if network.facts.answers == "correction":
            self._lens = make_lens(LensSettings(), network.device, pictures)
        self._frame = working_frame(pictures, settings.work_size, network.facts, blur_strength)
        memory_bytes = device_memory(network.device)
        self._windows = plan_windows(self._frame, settings.chunks, network.footprint, memory_bytes)

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """Return what the network takes of its device, as counted for the pictures that it was made for."""
        return self._windows.peak_bytes

    def close(self) -> None:
        """End the threads of the lens that is corrected."""
        if self._lens:
            self._lens.close()

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene.

        Raises ``SettingsError`` if the device runs out of memory, ``WeightsError`` if the network draws what
        are not numbers.
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
                f"{self._network.device} has not enough memory for the network.",
                hint="`low_memory=True`, or a smaller `work_size`",
            ) from error

    def _encode(self, scenes: Iterator[Scene]) -> Iterator[_CodedScene]:
        device = self._network.device
        while group := list(islice(scenes, self._windows.encode)):
            lens = [self._lens.refocus(scene).to(device) for scene in group] if self._lens else None
            inputs = network_inputs(group, self._frame, self._network.facts.mpi_alpha, device, lens)
            codes = self._network.encode(inputs, self._frame, keeps_skips=self._windows.keeps_skips)
            shown = zip(group, codes, lens or repeat(None, len(group)), strict=True)
            yield from (_CodedScene(*one) for one in shown)

    def _compose(self, shown: _CodedScene, picture: Tensor) -> Tensor:
        if not bool(picture.isfinite().all()):
            raise WeightsError("The network draws values that are not numbers.", hint="`dtype=float32`")
        if shown.through_lens is None:
            return compose(shown.scene, picture, self._frame)
        weight = self._network.facts.correction_weight
        return correct(shown.scene, shown.through_lens, picture, self._frame, weight)

    def _denoise(self, chunk: Sequence[_CodedScene]) -> Tensor:
        return self._network.denoise([shown.code for shown in chunk])

    def _decode(self, window: Sequence[tuple[_CodedScene, Tensor]]) -> Tensor:
        return self._network.decode([(shown.code, latents) for shown, latents in window])


def working_frame(
    pictures: PictureFormat, work_size: int, facts: CheckpointFacts, blur_strength: float | None
) -> WorkingFrame:
    """The working frame of a clip whose largest K is ``blur_strength``, ``None`` if that is not known.

    A correction to the lens is worked out at the clip's size or smaller: so that discs are no larger than
    those that the network was trained with.
    """
    if facts.answers == "refocused":
        return WorkingFrame.of(pictures, work_size)
    shown_width = pictures.width * pictures.pixel_aspect
    scale = min(1.0, 1 / pictures.pixel_aspect)  # no side is enlarged
    if facts.largest_blur is not None:
        strongest = BLUR_STRENGTH.high if blur_strength is None else blur_strength
        net_strongest = strongest * max(shown_width, pictures.height) / REFERENCE_SIDE_PX
        scale = min(scale, facts.largest_blur / max(net_strongest, LEAST_BLUR_PX))
    return WorkingFrame.fit(pictures.height, pictures.width, pictures.pixel_aspect, work_size, scale)


def network_inputs(
    group: Sequence[Scene],
    frame: WorkingFrame,
    mpi_alpha: float,
    device: torch.device,
    through_lens: Sequence[Tensor] | None = None,
) -> NetworkInputs:
    """What the network is given; geometry and labels are made at the clip's size, then scaled.

    ``through_lens`` is what the lens makes of the scenes, for a network that corrects it.
    """

    def stack(images: Iterable[Tensor]) -> Tensor:
        return torch.stack([image.to(device) for image in images])

    def geometry_of(scene: Scene) -> Tensor:
        if through_lens is None:
            return difference_picture(scene.disparity, scene.focus_disparity)
        net_blur_strength = frame.net_blur_strength(scene.blur_strength)
        return correction_geometry(scene.disparity, scene.focus_disparity, net_blur_strength)

    labels = stack(labels_around(s.disparity, s.focus_disparity, mpi_alpha) for s in group)
    return NetworkInputs(
        pictures=frame.scale(stack(scene.sharp for scene in group)) * 2 - 1,
        geometry=frame.scale(stack(geometry_of(scene) for scene in group)),
        labels=frame.scale_labels(labels),
        blur_strengths=[frame.net_blur_strength(scene.blur_strength) for scene in group],
        through_lens=None if through_lens is None else frame.scale(stack(through_lens)) * 2 - 1,
    )


def _with_warning(scenes: Iterator[Scene], frame: WorkingFrame) -> Iterator[Scene]:
    """The scenes; the first one whose blur is stronger than the network has seen is told of."""
    warned = False
    for scene in scenes:
        net_blur_strength = frame.net_blur_strength(scene.blur_strength)
        if not warned and net_blur_strength > LARGEST_NET_BLUR_STRENGTH:
            warned = True
            largest = LARGEST_NET_BLUR_STRENGTH * scene.blur_strength / net_blur_strength
            log.warning(
                "K %g is beyond what the network was trained on, %.3g at this size; the lens has no limit.",
                scene.blur_strength,
                largest,
            )
        yield scene
