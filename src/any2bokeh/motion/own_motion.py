"""The motion of things apart from the camera's: an optical flow without its affine part."""

import numpy as np

from any2bokeh.arrays import Flags, Floats

EVERY = 4  # rows and columns that tell how the camera moves
ROUNDS = 3
LEAST_AROUND = 0.1  # of a picture: less of it does not tell how the camera moves


def own_motion(shift: Floats, subject: Flags | None = None) -> Floats:
    """Return the part of a flow ``h w 2`` [px] that the camera does not explain, likewise.

    The camera's motion is that of most pixels: affine, fitted without those that differ from it, and without
    those of a ``subject h w``, unless that leaves too few.
    """
    height, width = shift.shape[:2]
    y, x = np.mgrid[:height:EVERY, :width:EVERY].reshape(2, -1).astype(np.float64)
    basis = np.stack([np.ones_like(x), x / width, y / height], 1)
    sampled = shift[::EVERY, ::EVERY].reshape(-1, 2).astype(np.float64)
    around = np.ones(len(x), bool) if subject is None else ~subject[::EVERY, ::EVERY].ravel()
    if around.mean() < LEAST_AROUND:
        around[:] = True
    kept, plane = around, np.zeros((3, 2))
    for _ in range(ROUNDS):
        plane = np.linalg.lstsq(basis[kept], sampled[kept], rcond=None)[0]
        missed = np.abs(sampled - basis @ plane).sum(1)
        kept = around & (missed <= np.median(missed[around]) + 1e-3)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    camera = plane[0] + columns[..., None] / width * plane[1] + rows[..., None] / height * plane[2]
    return np.asarray(shift - camera, np.float32)
