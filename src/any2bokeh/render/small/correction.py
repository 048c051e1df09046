"""A correction of the lens's picture: the network's input, and where its answer counts."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from any2bokeh.optics.coc import REFERENCE_SIDE_PX
from any2bokeh.optics.mpi import disparity_difference
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.render.lens.renderer import make_lens
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.focus_settings import BLUR_STRENGTH
from any2bokeh.settings.render_settings import LensSettings
from any2bokeh.weights.checkpoint import CheckpointFacts

LEAST_BLUR_PX = 1e-3
COC_UNIT_PX = 8.0  # a CoC of this size is 1 to a network that corrects the lens
# How far from changes by the lens, in pixels of the working frame, a correction goes: geometry is wrong at
# edges. It counts fully where the lens changed code values by this much.
CORRECTED_PX = 8
FULL_CHANGE = 0.04


class CorrectionAnswer:
    """The network takes the lens's picture and returns a correction to add to it.

    ``work_size`` bounds the working frame; ``blur_strength`` is the largest K, ``None`` if not known.
    """

    draws_lens = True

    def __init__(
        self,
        facts: CheckpointFacts,
        work_size: int,
        pictures: PictureFormat,
        blur_strength: float | None,
        device: torch.device,
    ) -> None:
        self._facts, self._work_size, self._blur_strength = facts, work_size, blur_strength
        self._lens, self._device = make_lens(LensSettings(), device, pictures), device

    def frame_for(self, pictures: PictureFormat) -> WorkingFrame:
        """The frame that the network works on."""
        return correction_frame(pictures, self._work_size, self._facts.largest_blur, self._blur_strength)

    def draw_lens(self, group: Sequence[Scene]) -> list[Tensor]:
        """The lens's pictures of scenes, ``3 H W`` each, on the network's device."""
        return [self._lens.refocus(scene).to(self._device) for scene in group]

    def geometry(self, scene: Scene, frame: WorkingFrame) -> Tensor:
        """The scene's geometry, ``3 H W``: see ``correction_geometry``."""
        net_blur_strength = frame.net_blur_strength(scene.blur_strength)
        return correction_geometry(scene.disparity, scene.focus_disparity, net_blur_strength)

    def compose(
        self, scene: Scene, through_lens: Tensor | None, picture: Tensor, frame: WorkingFrame
    ) -> Tensor:
        """The picture at the clip's size, ``3 H W``: see ``correct``."""
        assert through_lens is not None  # as ``draw_lens`` gave it
        return correct(scene, through_lens, picture, frame, self._facts.correction_weight)

    def close(self) -> None:
        """End the lens's threads."""
        self._lens.close()


def correction_frame(
    pictures: PictureFormat, work_size: int, largest_blur: float | None, blur_strength: float | None
) -> WorkingFrame:
    """The working frame of a clip whose largest K is ``blur_strength``, ``None`` if that is not known.

    A correction to the lens is worked out at the clip's size or smaller: so that discs are no larger than
    those that the network was trained with, ``largest_blur`` in pixels of its frames.
    """
    shown_width = pictures.width * pictures.pixel_aspect
    scale = min(1.0, 1 / pictures.pixel_aspect)  # no side is enlarged
    if largest_blur is not None:
        strongest = BLUR_STRENGTH.high if blur_strength is None else blur_strength
        net_strongest = strongest * max(shown_width, pictures.height) / REFERENCE_SIDE_PX
        scale = min(scale, largest_blur / max(net_strongest, LEAST_BLUR_PX))
    return WorkingFrame.fit(pictures.height, pictures.width, pictures.pixel_aspect, work_size, scale)


def correction_geometry(
    disparity: Tensor, focus_disparity: float | Tensor, net_blur_strength: float | Tensor
) -> Tensor:
    """Geometry as networks that correct the lens take it, ``... 3 H W``, for disparity ``... 1 H W``.

    Three planes in the place of a gray picture's: the difference, the disparity, and the signed radius of
    the circle of confusion; ``net_blur_strength`` is K in pixels of the working frame. For frames that differ
    in focus and K, these are ``... 1 1 1``.
    """
    difference = disparity_difference(disparity, focus_disparity)
    coc_px = net_blur_strength * (focus_disparity - disparity)
    return torch.cat([difference * 2 - 1, disparity * 2 - 1, coc_px / COC_UNIT_PX], dim=-3)


def correct(
    scene: Scene, through_lens: Tensor, picture: Tensor, frame: WorkingFrame, weight: float = 1.0
) -> Tensor:
    """The lens's picture ``through_lens`` with the network's correction, at the clip's size, ``3 H W``.

    ``picture`` is the corrected one, ``3 h w`` in 0..1 at the working scale, not padded. Its difference
    from the lens's at that scale, times ``weight``, is enlarged and added, so that the lens's detail stays;
    see ``correction_share`` for where. Far from all blur the original's pixels stay, bit for bit.
    """
    sharp, lens = (frame.scale(one.to(picture.device)[None]) for one in (scene.sharp, through_lens))
    correction = weight * correction_share(sharp, lens) * (picture - lens)
    if correction.shape[2:] != through_lens.shape[1:]:
        correction = interpolate(correction, through_lens.shape[1:], mode="bicubic", align_corners=False)
    return torch.where(correction[0] != 0, (through_lens + correction[0]).clamp(0, 1), through_lens)


def correction_share(sharp: Tensor, through_lens: Tensor) -> Tensor:
    """How much of a correction to the lens counts, ``T 1 H W`` in 0..1, for pictures ``T 3 H W`` in 0..1.

    As much as the lens changed nearby pixels: where it changed nothing, or has nothing to blur but smooth
    surfaces, it has little to be wrong about, and a network's answer there is noise.
    """
    change = (through_lens - sharp).abs().mean(dim=1, keepdim=True)
    change = avg_pool2d(change, 3, 1, 1, count_include_pad=False)
    around = max_pool2d(change, 2 * CORRECTED_PX + 1, 1, CORRECTED_PX)
    return avg_pool2d((around / FULL_CHANGE).clamp(max=1), 5, 1, 2, count_include_pad=False)
