"""How code values encode light, by name."""

from typing import Literal

# The first three are display-referred; all others are of scene light: any2bokeh.optics.transfer draws them.
TransferFunction = Literal[
    "srgb",
    "pq",
    "hlg",
    "linear",
    "logc3",
    "logc4",
    "slog3",
    "vlog",
    "clog3",
    "redlog3g10",
    "acescct",
    "applelog",
    "bmdfilm5",
    "cineon",
]
# Curves of pictures made for a screen, which end at white; the others are of scene light, which does not.
DISPLAY_REFERRED: tuple[TransferFunction, ...] = ("srgb", "pq", "hlg")
