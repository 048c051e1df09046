"""The picture of an aperture, read from a file."""

from pathlib import Path

import numpy as np
import torch

from any2bokeh.errors import SettingsError, VideoError
from any2bokeh.optics.transfer import to_linear
from any2bokeh.settings.aperture_picture import AperturePicture
from any2bokeh.video.pictures.picture_files import read_picture_file

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear R, G and B: ITU-R BT.709


def read_aperture(path: Path | str) -> AperturePicture:
    """Return the aperture that the picture in a file shows: white is open, black and transparent are closed.

    Its codes are those of light on a screen, sRGB unless the file says otherwise: the photo of a light out of
    focus is the aperture of its lens. Raises ``SettingsError`` if it cannot be read, or has no light.
    """
    path = Path(path)
    try:
        stored = read_picture_file(path)
    except VideoError as error:
        raise SettingsError(f"`aperture` cannot be a picture: {error.message}", error.hint) from error
    codes = torch.from_numpy(stored.picture())
    curve = stored.transfer or ("linear" if stored.is_float else "srgb")
    light = np.tensordot(LUMINANCE, to_linear(codes, curve).numpy(), 1)
    if stored.has_alpha:
        opaque = 1.0 if stored.is_float else 2.0**stored.bits - 1
        light = light * (stored.orientation.displayed(stored.codes[..., -1]) / opaque)
    return AperturePicture.of(light, str(path))
