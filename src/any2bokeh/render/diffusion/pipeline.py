"""The diffusion renderer: one step of the paper's network, on clips of any length and size."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import Tensor

from any2bokeh.render.diffusion.blend import fuse_chunks
from any2bokeh.render.diffusion.compose import compose
from any2bokeh.render.diffusion.condition import difference_picture, labels_around
from any2bokeh.render.diffusion.memory import Windows, device_memory, plan_windows
from any2bokeh.render.diffusion.network import BokehNetwork, FrameCode, NetworkInputs
from any2bokeh.render.diffusion.working import WorkingFrame
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings import DiffusionSettings


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

    def __init__(self, network: BokehNetwork, settings: DiffusionSettings, pixel_aspect: float) -> None:
        self._network, self._settings, self._pixel_aspect = network, settings, pixel_aspect

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene; all scenes are of one size."""
        first = next(scenes, None)
        if first is None:
            return
        _, height, width = first.sharp.shape
        frame = WorkingFrame.fit(height, width, self._pixel_aspect, self._settings.work_size)
        network, chunk = self._network, self._settings.chunk
        windows = plan_windows(frame, chunk, network.footprint, device_memory(network.device))
        coded = self._encode(chain([first], scenes), frame, windows)
        denoised = fuse_chunks(coded, chunk, self._denoise)
        decoded = fuse_chunks(denoised, windows.decode, self._decode)
        for (shown, _), picture in decoded:
            refocused = compose(shown.scene, frame.crop(picture), frame)
            yield Frame(picture=refocused.cpu(), pts=shown.scene.pts)

    def _encode(
        self, scenes: Iterator[Scene], frame: WorkingFrame, windows: Windows
    ) -> Iterator[_CodedScene]:
        while group := list(islice(scenes, windows.encode)):
            inputs = network_inputs(group, frame, self._network.facts.mpi_alpha, self._network.device)
            codes = self._network.encode(inputs, frame, keeps_skips=windows.keeps_skips)
            yield from (_CodedScene(scene, code) for scene, code in zip(group, codes, strict=True))

    def _denoise(self, chunk: Sequence[_CodedScene]) -> Tensor:
        return self._network.denoise([shown.code for shown in chunk])

    def _decode(self, window: Sequence[tuple[_CodedScene, Tensor]]) -> Tensor:
        return self._network.decode([(shown.code, latents) for shown, latents in window])


def network_inputs(
    group: Sequence[Scene], frame: WorkingFrame, mpi_alpha: float, device: torch.device
) -> NetworkInputs:
    """What the network is given; differences and labels are made at the clip's size, then scaled."""

    def stack(images: Iterable[Tensor]) -> Tensor:
        return torch.stack([image.to(device) for image in images])

    differences = stack(difference_picture(s.disparity, s.focus_disparity) for s in group)
    labels = stack(labels_around(s.disparity, s.focus_disparity, mpi_alpha) for s in group)
    return NetworkInputs(
        pictures=frame.scale(stack(scene.sharp for scene in group)) * 2 - 1,
        differences=frame.scale(differences),
        labels=frame.scale_labels(labels),
        blur_strengths=[frame.net_blur_strength(scene.blur_strength) for scene in group],
    )
