"""The logarithmic curves of cameras and of grading, as their makers publish them.

Each has a straight or quadratic part near black and a logarithm above it; 18 % gray is 0.18 in linear light.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from any2bokeh.scene import SceneEncoding


@dataclass(frozen=True)
class LineAndLog(SceneEncoding):
    """``slope x + offset`` below ``cut``, and ``gain log10(a x + b) + base`` from there on."""

    cut: float
    slope: float
    offset: float
    gain: float
    a: float
    b: float
    base: float

    def encode(self, linear: Tensor) -> Tensor:
        """See ``SceneEncoding``."""
        above = self.gain * torch.log10((self.a * linear + self.b).clamp(min=1e-12)) + self.base
        return torch.where(linear < self.cut, self.slope * linear + self.offset, above)

    def decode(self, code: Tensor) -> Tensor:
        """See ``SceneEncoding``."""
        above = (10 ** ((code - self.base) / self.gain) - self.b) / self.a
        return torch.where(
            code < self.slope * self.cut + self.offset, (code - self.offset) / self.slope, above
        )


@dataclass(frozen=True)
class CanonLog3(SceneEncoding):
    """Canon Log 3: a line around black and a logarithm to both sides; 90 % reflectance is its 1."""

    def encode(self, linear: Tensor) -> Tensor:
        """See ``SceneEncoding``."""
        level = linear / 0.9
        log = 0.36726845 * torch.log10(14.98325 * level.abs() + 1)
        line = 1.9754798 * level + 0.12512219
        outside = torch.where(level < 0, 0.12783901 - log, log + 0.12240537)
        return torch.where(level.abs() <= 0.014, line, outside)

    def decode(self, code: Tensor) -> Tensor:
        """See ``SceneEncoding``."""
        low, high = (1.9754798 * end + 0.12512219 for end in (-0.014, 0.014))
        line = (code - 0.12512219) / 1.9754798
        above = (10 ** ((code - 0.12240537) / 0.36726845) - 1) / 14.98325
        below = -(10 ** ((0.12783901 - code) / 0.36726845) - 1) / 14.98325
        return torch.where(code < low, below, torch.where(code > high, above, line)) * 0.9


@dataclass(frozen=True)
class AppleLog(SceneEncoding):
    """Apple Log: a parabola near black; nothing is darker than its foot."""

    def encode(self, linear: Tensor) -> Tensor:
        """See ``SceneEncoding``."""
        log = 0.08550479 * torch.log2((linear + 0.00964052).clamp(min=1e-12)) + 0.69336945
        parabola = 47.28711236 * (linear + 0.05641088).clamp(min=0) ** 2
        return torch.where(linear >= 0.01, log, parabola)

    def decode(self, code: Tensor) -> Tensor:
        """See ``SceneEncoding``."""
        log = 2 ** ((code - 0.69336945) / 0.08550479) - 0.00964052
        parabola = (code.clamp(min=0) / 47.28711236).sqrt() - 0.05641088
        return torch.where(code >= 47.28711236 * (0.01 + 0.05641088) ** 2, log, parabola)


def _log_c4() -> LineAndLog:
    """ARRI LogC4 Specification (2022), in powers of two."""
    a, b, c = (2**18 - 16) / 117.45, (1023 - 95) / 1023, 95 / 1023
    slope = 7 * math.log(2) * 2 ** (7 - 14 * c / b) / (a * b)  # of linear light over code
    foot = (2 ** (14 * (-c / b) + 6) - 64) / a
    return LineAndLog(foot, 1 / slope, -foot / slope, b / 14 * math.log10(2) ** -1, a, 64, c - 6 / 14 * b)


def _red_log_3_g10() -> LineAndLog:
    """RED, White Paper on REDWideGamutRGB and Log3G10: light is moved by 0.01."""
    return LineAndLog(-0.01, 15.1927, 0.151927, 0.224282, 155.975327, 155.975327 * 0.01 + 1, 0)


def _cineon() -> LineAndLog:
    """Kodak, Conversion of 10-bit Log Film Data: black at code 95, white at 685, 0.002 density per code."""
    black = 10 ** ((95 - 685) / 300)
    # Below black the curve goes on as the tangent at 0, so that it can be undone.
    tangent = 300 / 1023 * (1 - black) / (black * math.log(10))
    return LineAndLog(0, tangent, 95 / 1023, 300 / 1023, 1 - black, black, 685 / 1023)


_LOG2 = math.log10(2)
LOG_CURVES: dict[str, SceneEncoding] = {
    # ARRI, ALEXA Log C Curve (2017), EI 800.
    "logc3": LineAndLog(0.010591, 5.367655, 0.092809, 0.247190, 5.555556, 0.052272, 0.385537),
    "logc4": _log_c4(),
    # Sony, Technical Summary for S-Gamut3.Cine/S-Log3.
    "slog3": LineAndLog(
        0.01125,
        (171.2102946929 - 95) / 0.01125 / 1023,
        95 / 1023,
        261.5 / 1023,
        1 / 0.19,
        0.01 / 0.19,
        420 / 1023,
    ),
    # Panasonic, VARICAM V-Log/V-Gamut (2014).
    "vlog": LineAndLog(0.01, 5.6, 0.125, 0.241514, 1, 0.00873, 0.598206),
    "clog3": CanonLog3(),
    "redlog3g10": _red_log_3_g10(),
    # AMPAS S-2016-001.
    "acescct": LineAndLog(
        0.0078125, 10.5402377416545, 0.0729055341958355, 1 / 17.52 / _LOG2, 1, 0, 9.72 / 17.52
    ),
    "applelog": AppleLog(),
    # Blackmagic Design, Generation 5 Color Science (2021); its logarithm is natural.
    "bmdfilm5": LineAndLog(
        0.005,
        8.283605932402494,
        0.09246575342465753,
        0.08692876065491224 * math.log(10),
        1,
        0.005494072432257808,
        0.5300133392291939,
    ),
    "cineon": _cineon(),
}
