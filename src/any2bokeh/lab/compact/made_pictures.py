"""Pictures with their exact disparity in a folder: made from seeds, written and read.

``NUMBER.jpg`` is the picture, ``NUMBER.png`` its disparity in 16 bits (near is large, 0 is unknown), and
``NUMBER.owners.png``, where something was added to the scene, whose each pixel is. ``NUMBER.flow.png`` is the
optical flow to a moment later, as it is estimated from both pictures: x and y in 1/64 px, 32768 is 0.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.atomic import partial_file
from any2bokeh.errors import SettingsError, VideoError
from any2bokeh.lab.compact.scenes.additions import AdditionSettings, Placement, SeenScene, add_to
from any2bokeh.lab.compact.scenes.cast import render
from any2bokeh.lab.compact.scenes.film import develop
from any2bokeh.lab.compact.scenes.maker import build_scene
from any2bokeh.lab.compact.scenes.movement import add_again
from any2bokeh.subject.click_motion import flow_to
from any2bokeh.subject.click_segmenter import FLOW_SHRINKS, SHORTER_SIDE

PERCENTILES = (1.0, 98.5)  # of inverse depth: they become 0 and 1
SAMPLES_PER_PIXEL = 1.25  # along each axis, before the picture is brought to its size
LARGEST_CODE = 65535  # of disparity; 0 says that it is unknown, so 1 is the farthest
JPEG_QUALITY = 94
OWNERS = ".owners.png"
APART_S = (0.04, 0.7)  # moments of a scene
FLOW, FLOW_S = ".flow.png", (0.03, 0.13)  # to a moment so much later
FLOW_SIDE = SHORTER_SIDE // FLOW_SHRINKS  # pixels, the shorter one: as in a clip
FLOW_STEPS, NO_FLOW = 64, 32768  # codes per pixel; that of no motion

# Height and width in multiples of UNIT: wide, narrower, square, upright.
UNIT = 30
SHAPES = ((8, 14), (8, 12), (8, 11), (7, 14), (10, 10), (12, 8))
SHAPE_SHARES = (0.5, 0.12, 0.14, 0.08, 0.08, 0.08)

MadePicture = tuple[Floats, Floats, NDArray[np.uint8]]


def make_picture(seed: int, additions: AdditionSettings | None = None, unit: int = UNIT) -> MadePicture:
    """Return the scene of a seed: R'G'B' ``H W 3``, disparity ``H W`` in 0..1, and whose each pixel is.

    Owners count the additions to the scene from 1, and are 0 elsewhere.
    """
    return next(make_shot(seed, (0.0,), additions, unit))


def make_shot(
    seed: int, times_s: Sequence[float], additions: AdditionSettings | None = None, unit: int = UNIT
) -> Iterator[MadePicture]:
    """Yield the pictures of a scene at some moments after its first, which comes first; see ``make_picture``.

    A thing has the same owner in all of them.
    """
    rng = np.random.default_rng((seed, 77))
    rows, columns = SHAPES[rng.choice(len(SHAPES), p=SHAPE_SHARES)]
    size = rows * unit, columns * unit
    sampled = round(size[0] * SAMPLES_PER_PIXEL), round(size[1] * SAMPLES_PER_PIXEL)
    start_s = float(rng.uniform(0, 2))
    placed: list[Placement] | None = None
    for frame, elapsed_s in enumerate(times_s):
        cast, view, lights, air = build_scene(seed, start_s + elapsed_s, *sampled)
        linear, inverse = render(cast, view, lights, air)
        scene = SeenScene(linear, inverse, view, lights, air, np.zeros_like(inverse))
        if placed is not None and additions:
            add_again(scene, placed, elapsed_s, seed, additions)
        elif additions:
            add_to(scene, rng, additions)
            placed = scene.placed
        yield _developed(scene, size, seed, frame)


def _developed(scene: SeenScene, size: tuple[int, int], seed: int, frame: int) -> MadePicture:
    picture = develop(scene.picture, scene.inverse, size, seed=seed, frame=frame)
    inverse, owners = (
        cv2.resize(part, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        for part in (scene.inverse, scene.owners)
    )
    low, high = np.percentile(inverse, PERCENTILES)
    disparity = np.clip((inverse - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    return picture, disparity, owners.astype(np.uint8)


def draw_moments(seed: int, count: int) -> list[float]:
    """Return ``count`` moments of a scene in seconds after its first, 0.04 to 0.7 s from one to the next."""
    rng = np.random.default_rng((seed, 78))
    least, most = np.log(APART_S)
    return [0.0, *np.cumsum(np.exp(rng.uniform(least, most, count - 1)))]


def make_moments(
    seed: int, count: int, additions: AdditionSettings | None = None, unit: int = UNIT
) -> Iterator[tuple[MadePicture, Floats | None]]:
    """Yield pictures of a scene at ``count`` moments, each with its flow ``h w 2`` [px] to a bit later."""
    rng = np.random.default_rng((seed, 79))
    least, most = np.log(FLOW_S)
    times: list[float] = []
    for time_s in draw_moments(seed, count):
        times += [time_s, time_s + float(np.exp(rng.uniform(least, most)))]
    shot = make_shot(seed, times, additions, unit)
    for made, (later, *_) in zip(shot, shot, strict=True):
        yield made, flow_to(_grayed(made[0]), _grayed(later))


def _grayed(picture: Floats) -> Bytes:
    """R'G'B' ``H W 3`` as the flow of a clip sees it."""
    height, width = picture.shape[:2]
    scale = FLOW_SIDE / min(height, width)
    codes = np.round(picture * 255).astype(np.uint8)
    size = round(width * scale), round(height * scale)
    small = cv2.resize(codes, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def moment_paths(folder: Path, seed: int, count: int) -> list[Path]:
    """Return the paths, without suffix, of the pictures of a scene at ``count`` moments."""
    if count == 1:
        return [folder / f"{seed:06d}"]
    return [folder / f"{seed:06d}-{moment}" for moment in range(count)]


def write_picture(path: Path, made: MadePicture, flow: Floats | None = None) -> None:
    """Write the files of one picture; its disparity last, so that it counts as made when it is there."""
    picture, disparity, owners = made
    codes = np.round(picture[..., ::-1] * 255).astype(np.uint8)
    depth = np.round(1 + disparity * (LARGEST_CODE - 1)).astype(np.uint16)
    cv2.imwrite(str(path.with_suffix(".jpg")), codes, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if owners.any():
        cv2.imwrite(str(path.with_suffix(OWNERS)), owners, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if flow is not None:
        shift = np.round(flow * FLOW_STEPS + NO_FLOW).clip(0, LARGEST_CODE).astype(np.uint16)
        channels = np.dstack([np.zeros_like(shift[..., 0]), shift[..., ::-1]])  # blue, green, red: none, y, x
        cv2.imwrite(str(path.with_suffix(FLOW)), channels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    with partial_file(path.with_suffix(".png"), overwrite=True) as partial:
        cv2.imwrite(str(partial), depth, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder that have disparity; raises ``SettingsError`` if there are none."""
    found = [path for path in sorted(folder.rglob("*.jpg")) if path.with_suffix(".png").exists()]
    if not found:
        raise SettingsError(f"{folder} holds no pictures with disparity (NUMBER.jpg with NUMBER.png).")
    return found


def read_picture(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return R'G'B' codes ``H W 3`` and disparity codes ``H W`` of ``NUMBER.jpg``; 0 is unknown."""
    codes = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    depth = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_UNCHANGED)
    if codes is None or depth is None or depth.dtype != np.uint16:
        raise VideoError(f"{path} or the 16-bit disparity beside it cannot be read.")
    depth = depth if depth.ndim == 2 else depth[..., 0]
    if depth.shape != codes.shape[:2]:
        depth = cv2.resize(depth, codes.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(codes, np.uint8), np.asarray(depth, np.uint16)


def read_owners(path: Path) -> NDArray[np.uint8] | None:
    """Return whose each pixel of ``NUMBER.jpg`` is, ``H W``, if anything was added there."""
    file = path.with_suffix(OWNERS)
    if not file.exists():
        return None
    owners = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if owners is None:
        raise VideoError(f"{file} cannot be read.")
    return np.asarray(owners, np.uint8)


def read_flow(path: Path) -> Floats | None:
    """Return the flow ``h w 2`` [px] from ``NUMBER.jpg`` to a moment later, if it was written."""
    file = path.with_suffix(FLOW)
    if not file.exists():
        return None
    channels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if channels is None or channels.ndim != 3 or channels.dtype != np.uint16:
        raise VideoError(f"{file} cannot be read.")
    return np.asarray((channels[..., :0:-1].astype(np.float32) - NO_FLOW) / FLOW_STEPS, np.float32)
