"""The marks of cameras and files on a picture: lens blur, shake, exposure, noise, sharpening, compression."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats


def develop(
    linear: Floats, inverse_depth: Floats, size: tuple[int, int], *, seed: int, frame: int = 0
) -> Floats:
    """Return R'G'B' ``h w 3`` in 0..1 of linear light ``H W 3``, brought to ``size`` (h w) and aged.

    Frames of one clip share the seed, and so all effects but the noise itself.
    """
    rng = np.random.default_rng(seed)
    linear = np.minimum(linear, 8)
    if rng.random() < 0.3:
        linear = _defocus(linear, inverse_depth, rng)
    linear = cv2.resize(linear, size[::-1], interpolation=cv2.INTER_AREA)
    if rng.random() < 0.12:
        linear = _shake(linear, rng)
    level = float(np.percentile(linear, 70))
    linear = linear * (rng.uniform(0.3, 0.75) / max(level, 1e-3)) ** rng.uniform(0.6, 1)
    linear = linear * np.exp(rng.normal(0, 0.12, 3))  # white balance
    picture = np.clip(linear, 0, 1) ** (1 / rng.uniform(1.8, 2.6))
    if rng.random() < 0.5:  # the S of a camera's tone curve
        picture = picture + rng.uniform(0, 0.9) * picture * (1 - picture) * (picture - 0.5)
    gray = picture @ np.array([0.3, 0.59, 0.11], np.float32)
    saturation = 0.0 if rng.random() < 0.05 else rng.uniform(0.5, 1.4)
    picture = gray[..., None] + saturation * (picture - gray[..., None])
    picture = picture * rng.uniform(0.75, 1.05) + rng.uniform(0, 0.08)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.3:
        picture = picture + rng.uniform(0.3, 1.2) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.2))
    if rng.random() < 0.6:
        strength = rng.uniform(0.003, 0.05)
        grain = np.random.default_rng((seed, frame)).normal(0, strength, picture.shape)
        picture = picture + grain * np.sqrt(np.clip(picture, 0.05, 1))
    picture = np.clip(picture, 0, 1).astype(np.float32)
    codes = np.ascontiguousarray(np.round(picture * 255), np.uint8)
    if rng.random() < 0.06:
        _caption(codes, rng)
    if rng.random() < 0.5:
        _, data = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
        codes = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return codes.astype(np.float32) / np.float32(255)


def _defocus(linear: Floats, inverse_depth: Floats, rng: np.random.Generator) -> Floats:
    """Blur the picture off a focal plane: each sample takes the picture blurred by about its own radius."""
    focus = inverse_depth[rng.integers(inverse_depth.shape[0]), rng.integers(inverse_depth.shape[1])]
    spread = float(np.percentile(inverse_depth, 98) - np.percentile(inverse_depth, 2)) + 1e-3
    strongest = rng.uniform(1, 10) * linear.shape[1] / 480
    radius = np.minimum(np.abs(inverse_depth - focus) / spread, 1.0).astype(np.float32) * strongest
    radius = cv2.GaussianBlur(radius, (0, 0), 1.5)
    result, before = linear, linear
    steps = (0.0, strongest / 4, strongest / 2, strongest)
    for low, high in pairwise(steps):
        after = cv2.GaussianBlur(linear, (0, 0), max(high * 0.6, 0.3))
        share = np.clip((radius - low) / (high - low), 0, 1)[..., None]
        result = np.where(radius[..., None] > low, before + (after - before) * share, result)
        before = after
    return result


def _shake(linear: Floats, rng: np.random.Generator) -> Floats:
    """Blur along one direction."""
    length = rng.uniform(2, 9)
    angle = rng.uniform(0, np.pi)
    kernel = np.zeros((11, 11), np.float32)
    end = (length / 2 * np.cos(angle), length / 2 * np.sin(angle))
    first, last = (round(5 - end[0]), round(5 - end[1])), (round(5 + end[0]), round(5 + end[1]))
    cv2.line(kernel, first, last, 1.0, 1)
    shaken: Floats = cv2.filter2D(linear, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return shaken


def _caption(codes: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Write letters over the picture, which are at no distance at all."""
    letters = "".join(chr(code) for code in rng.integers(65, 91, rng.integers(3, 14)))
    where = int(rng.integers(codes.shape[1] * 3 // 4)), int(rng.integers(10, codes.shape[0]))
    color = tuple(float(rng.choice([0, 255])) for _ in range(3))
    cv2.putText(codes, letters, where, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.3, 0.9), color, 1, cv2.LINE_AA)
