"""Transfer functions: linear light from code values and back. A lens blurs light, not code values."""

import torch
from torch import Tensor

from any2bokeh.optics.log_curves import LOG_CURVES
from any2bokeh.scene import Frame, SceneEncoding, Transfer
from any2bokeh.settings.color_settings import DISPLAY_REFERRED

# SMPTE ST 2084, section 5: the perceptual quantiser.
PQ_M1, PQ_M2 = 2610 / 16384, 2523 / 4096 * 128
PQ_C1, PQ_C2, PQ_C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# ITU-R BT.2100, table 5: hybrid log-gamma.
HLG_A, HLG_B, HLG_C = 0.17883277, 0.28466892, 0.55991073


def scene_encoding(transfer: Transfer) -> SceneEncoding | None:
    """Return how scene light was encoded; ``None`` where code values are light, or are for screens."""
    return transfer if isinstance(transfer, SceneEncoding) else LOG_CURVES.get(transfer)


def to_linear(picture: Tensor, transfer: Transfer) -> Tensor:
    """Linear light of code values (any shape).

    ``srgb``: IEC 61966-2-1, 1 is white. ``pq``: ST 2084, 1 is 10000 cd/m2. ``hlg``: BT.2100 scene
    light, 1 is the peak. ``linear``: scene light as it is. Others: see ``log_curves`` and ``ocio_space``.
    Values outside 0..1 are clamped for PQ and HLG and mirrored in sign for sRGB.
    """
    if transfer == "linear":
        return picture
    if encoding := scene_encoding(transfer):
        return encoding.decode(picture)
    if transfer == "srgb":
        size = picture.abs()
        return torch.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4).copysign(picture)
    code = picture.clamp(0, 1)
    if transfer == "pq":
        root = code ** (1 / PQ_M2)
        return ((root - PQ_C1).clamp(min=0) / (PQ_C2 - PQ_C3 * root)) ** (1 / PQ_M1)
    return torch.where(code <= 0.5, code**2 / 3, (torch.exp((code - HLG_C) / HLG_A) + HLG_B) / 12)


def from_linear(linear: Tensor, transfer: Transfer) -> Tensor:
    """Code values of linear light: the inverse of ``to_linear``, clamped at white for PQ and HLG alone."""
    if transfer == "linear":
        return linear
    if encoding := scene_encoding(transfer):
        return encoding.encode(linear)
    if transfer == "srgb":
        size = linear.abs()
        return torch.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055).copysign(
            linear
        )
    level = linear.clamp(0, 1)
    if transfer == "pq":
        power = level**PQ_M1
        return ((PQ_C1 + PQ_C2 * power) / (1 + PQ_C3 * power)) ** PQ_M2
    return torch.where(
        level <= 1 / 12, (3 * level).sqrt(), HLG_A * (12 * level - HLG_B).clamp(min=1e-9).log() + HLG_C
    )


def keeps_beyond_white(transfer: Transfer) -> bool:
    """Return whether code values are of scene light, which does not end at white."""
    return transfer not in DISPLAY_REFERRED


def shown_picture(picture: Tensor, transfer: Transfer) -> Tensor:
    """Return what a screen shows of a picture: code values that end at white, for eyes and networks."""
    if not keeps_beyond_white(transfer):
        return picture
    return from_linear(to_linear(picture, transfer).clamp(0, 1), "srgb")


def shown_frame(frame: Frame, transfer: Transfer) -> Frame:
    """Return a frame as a screen shows it: what follows disparity, motion and subjects looks at that."""
    picture = shown_picture(frame.picture, transfer)
    return frame if picture is frame.picture else Frame(picture=picture, pts=frame.pts)


def recoded(picture: Tensor, source: Transfer, target: Transfer) -> Tensor:
    """Return code values of one curve as those of another; light is the same, but for what ends at white."""
    if source == target:
        return picture
    linear = to_linear(picture, source)
    return from_linear(linear if keeps_beyond_white(target) else linear.clamp(0, 1), target)
