"""The renderer small: the lens's picture, corrected where its geometry may be wrong."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from any2bokeh.depth.edge_alignment import look_at_edges
from any2bokeh.device import choose_render_dtype, has_bfloat16
from any2bokeh.errors import WeightsError
from any2bokeh.optics.coc import REFERENCE_SIDE_PX, coc_px
from any2bokeh.render.base import RendererAround
from any2bokeh.render.lens.model import EDGE_STEP_PX
from any2bokeh.render.lens.renderer import make_lens
from any2bokeh.render.small.correction import (
    Area,
    areas_to_correct,
    correction_cells,
    correction_share,
    lens_view,
)
from any2bokeh.render.small.correction_network import COARSEST, CorrectionNetwork, LensView
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.device_settings import DtypeName
from any2bokeh.settings.focus_settings import BLUR_STRENGTH
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.weights.checkpoint import load_weights

WEIGHTS = Path(__file__).with_name("correction.safetensors")  # docs/training.md says how it was made
LARGEST_BLUR_PX = 40.0  # K in pixels of the working frame: in training few discs were larger
SHARE = 0.3  # of each correction that counts: errors of corrections flicker
# Memory beside the lens's, for each pixel of the working frame and of the clip's; see benchmarks/memory.py.
WORKING_BYTES, FRAME_BYTES = 250, 25


class SmallRenderer(RendererAround):
    """The lens, and a network that adds to its picture; streams like the lens, frame by frame.

    ``blur_strength`` is the largest K of the clip, ``None`` if that is not known.
    """

    def __init__(
        self,
        network: CorrectionNetwork,
        settings: RenderSettings,
        pictures: PictureFormat,
        blur_strength: float | None,
        device: torch.device,
    ) -> None:
        super().__init__(make_lens(settings.lens, device, pictures))
        self.name = "small"
        self._network, self._device = network, device
        self._dtype = _choose_dtype(settings.dtype, device)
        self._size = correction_size(pictures, settings.diffusion.work_size, blur_strength)
        edge = (torch.arange(16) >= 8).float()  # a clip does not wait for compilation
        look_at_edges(edge.expand(1, 16, 16), edge.expand(3, 16, 16), 0.5)

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene; ``WeightsError``: the network's answer is no number."""
        in_work: deque[Scene] = deque()

        def noted() -> Iterator[Scene]:
            for scene in scenes:
                in_work.append(scene)
                yield scene

        for frame in self._inner.render(noted()):
            yield replace(frame, picture=self.correct(in_work.popleft(), frame.picture))

    @torch.no_grad()
    def correct(self, scene: Scene, through_lens: Tensor) -> Tensor:
        """The lens's picture of a scene, ``3 H W``, with the network's correction added.

        A correction found in a smaller frame is enlarged, so that the lens's detail stays. Where none counts,
        the lens's pixels stay, bit for bit, and so do the scene's where no blur touches them.
        """
        height, width = self._size
        view = self._view(scene, through_lens)
        cells = correction_cells(view)
        areas = areas_to_correct(cells[0, 0])
        if not areas:
            return through_lens
        correction = torch.zeros_like(view.sharp)
        for area in areas:
            area.within(correction).copy_(self._ask(view, area))
        if not bool(correction.isfinite().all()):
            raise WeightsError(
                "The network returned values that are not numbers.", hint="Use `dtype=float32`."
            )
        correction = (SHARE * correction * correction_share(cells))[..., :height, :width]
        if correction.shape[2:] != through_lens.shape[1:]:
            correction = interpolate(correction, through_lens.shape[1:], mode="bilinear", align_corners=False)
        correction = correction[0].to(through_lens.device)
        is_blurred = (through_lens != scene.sharp.to(through_lens.device)).any(dim=0)
        counts = is_blurred & (correction != 0)
        return torch.where(counts, (through_lens + correction).clamp(0, 1), through_lens)

    def _view(self, scene: Scene, through_lens: Tensor) -> LensView:
        """The scene at the working size, padded by repeated edges to sides that the network takes."""
        sharp, lens = (self._scaled(one) for one in (scene.sharp, through_lens))
        disparity = interpolate(scene.disparity[None], self._size, mode="nearest-exact")
        coc = coc_px(disparity, scene.focus_disparity, scene.blur_strength, max(self._size))
        rings, evidence = look_at_edges(-coc[0], sharp[0], EDGE_STEP_PX)
        margin = (0, -sharp.shape[3] % COARSEST, 0, -sharp.shape[2] % COARSEST)
        images = (sharp, lens, coc, rings[None], evidence[None])
        return lens_view(*(pad(image, margin, mode="replicate") for image in images))

    def _scaled(self, picture: Tensor) -> Tensor:
        """``3 H W`` at the working size, ``1 3 h w``."""
        if picture.shape[1:] == self._size:
            return picture[None]
        return interpolate(picture[None], self._size, mode="bilinear", antialias=True, align_corners=False)

    def _ask(self, view: LensView, area: Area) -> Tensor:
        """The network's correction of an area of a view."""
        mixes = self._dtype != torch.float32
        with torch.autocast(self._device.type, self._dtype if mixes else None, enabled=mixes):
            correction: Tensor = self._network(
                view.changed(lambda image: area.within(image).to(self._device))
            )
        return correction.cpu()

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """The lens's peak and the network's; ``None`` where nobody has measured the lens's."""
        lens, (height, width) = self._inner.peak_bytes(pictures), self._size
        own = WORKING_BYTES * height * width + FRAME_BYTES * pictures.height * pictures.width
        return None if lens is None else lens + own


def correction_size(pictures: PictureFormat, work_size: int, blur_strength: float | None) -> tuple[int, int]:
    """Height and width of the frame that a clip's corrections are worked out in; its pixels are square.

    That of the clip or smaller: within the area of ``work_size`` x 9/16 ``work_size``, and so that the
    largest K, ``blur_strength``, is at most ``LARGEST_BLUR_PX`` there.
    """
    shown_width = pictures.width * pictures.pixel_aspect
    budget = work_size * work_size * 9 / 16
    strongest = BLUR_STRENGTH.high if blur_strength is None else blur_strength
    largest_px = strongest * pictures.longer_side_px / REFERENCE_SIDE_PX
    scale = min(
        1.0,
        1 / pictures.pixel_aspect,  # no side is enlarged
        (budget / (shown_width * pictures.height)) ** 0.5,
        LARGEST_BLUR_PX / max(largest_px, 1e-3),
    )
    return max(1, round(pictures.height * scale)), max(1, round(shown_width * scale))


def load_small(
    settings: RenderSettings, device: torch.device, pictures: PictureFormat, blur_strength: float | None
) -> SmallRenderer:
    """Return the renderer with the network that is part of the package; raises ``WeightsError``."""
    with torch.device("meta"):
        network = CorrectionNetwork()
    load_weights(network, WEIGHTS, dtype=torch.float32, device=device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.eval().requires_grad_(False)
    return SmallRenderer(network, settings, pictures, blur_strength, device)


def _choose_dtype(name: DtypeName, device: torch.device) -> torch.dtype:
    """The precision that the network computes in: a correction bears the coarse one of a CPU that has it."""
    if name == "auto" and device.type == "cpu" and has_bfloat16():
        return torch.bfloat16
    return choose_render_dtype(name, device)
