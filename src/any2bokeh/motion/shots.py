"""Where one shot ends and the next begins, found while the frames pass by: one detection for everybody."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar

import cv2
from torch import Tensor

from any2bokeh.arrays import Bytes
from any2bokeh.motion.flow import Flow, PreparedPicture, flow_between

_AROUND = 2  # frames before and after, with which a frame is compared; a flash may last so long
# PySceneDetect proposes frames that change more than those around. So low a ratio finds nearly every cut,
# and more; a proposal is a cut where the frames before cannot be followed into those after.
_RATIO, _LEAST_CHANGE = 1.5, 8.0
_LOST_SHARE = 0.7  # of the picture: 0.76 and more across 120 cuts between shots of five scenes
_SIDE_PX = 256  # the longer side of the frames compared

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReducedFrame:
    """A frame at the size that its disparity is worked on.

    ``picture`` is ``3 h w`` R'G'B' in 0..1. From a frame that ``starts_shot``, nothing leads back.
    """

    pts: int
    picture: Tensor
    prepared: PreparedPicture
    starts_shot: bool = False


def mark_shots(frames: Iterable[ReducedFrame], *, single_shot: bool = False) -> Iterator[ReducedFrame]:
    """Yield the frames, marked where a shot starts: the first, and unless ``single_shot`` at every cut.

    At a flash, and where a lamp is switched on, no shot starts. ``_AROUND`` frames are held back.
    """
    if single_shot:
        for number, frame in enumerate(frames):
            yield replace(frame, starts_shot=number == 0)
        return
    for frame, starts_shot in find_shots(frames, lambda frame: shot_thumbnail(frame.prepared.color)):
        yield replace(frame, starts_shot=starts_shot)


def find_shots(items: Iterable[Item], thumbnail_of: Callable[[Item], Bytes]) -> Iterator[tuple[Item, bool]]:
    """Yield the items, one per frame of a clip, in order, and whether a shot starts with it.

    ``thumbnail_of`` gives the frame's ``shot_thumbnail``. At a flash, and where a lamp is switched on, no
    shot starts. ``_AROUND`` items are held back, and no others are held.
    """
    # Not itertools.tee: it keeps past items in blocks of 57.
    waiting = deque[Item]()

    def thumbnails() -> Iterator[Bytes]:
        for item in items:
            waiting.append(item)
            yield thumbnail_of(item)

    for starts_shot in _starts(thumbnails()):
        yield waiting.popleft(), starts_shot


def shot_thumbnail(codes: Bytes) -> Bytes:
    """Return a picture of codes ``H W 3`` (R, G, B), made small: ``h w 3`` in the order B, G, R."""
    height, width = codes.shape[:2]
    scale = min(1.0, _SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Bytes = cv2.cvtColor(cv2.resize(codes, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    return small


def is_lost(flow: Flow) -> bool:
    """Say whether two pictures show nothing of each other: most of ``flow`` does not lead back."""
    return float((flow.trust < 0.5).mean()) > _LOST_SHARE


def _starts(thumbnails: Iterator[Bytes]) -> Iterator[bool]:
    """Say of each picture whether a shot starts with it, ``_AROUND`` frames later."""
    # Here, because they take a quarter of a second to import.
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector(
        adaptive_threshold=_RATIO, min_scene_len=1, window_width=_AROUND, min_content_val=_LEAST_CHANGE
    )
    window = deque[tuple[Bytes, bool]](maxlen=2 * _AROUND + 1)
    for number, (thumbnail, is_own) in enumerate(_mirrored(thumbnails)):
        window.append((thumbnail, is_own))
        is_proposed = detector.process_frame(FrameTimecode(number, 1.0), thumbnail)
        if len(window) == window.maxlen:  # its middle is the frame in question
            yield number == 2 * _AROUND or (bool(is_proposed) and _is_cut(list(window)))


def _mirrored(thumbnails: Iterator[Bytes]) -> Iterator[tuple[Bytes, bool]]:
    """The pictures and, before the first and after the last, mirror images of the sequence, marked ``False``.

    So a pan that is there from the first frame on looks as if it had always been.
    """
    first = list(islice(thumbnails, _AROUND + 1))
    if not first:
        return
    last = deque[Bytes](maxlen=_AROUND + 1)
    for distance in range(_AROUND, 0, -1):
        yield first[min(distance, len(first) - 1)], False
    for thumbnail in chain(first, thumbnails):
        yield thumbnail, True
        last.append(thumbnail)
    for distance in range(1, _AROUND + 1):
        yield last[-1 - min(distance, len(last) - 1)], False


def _is_cut(window: list[tuple[Bytes, bool]]) -> bool:
    """Say whether no frame before the middle one can be followed into any frame from there on."""
    gray = [(cv2.cvtColor(thumbnail, cv2.COLOR_BGR2GRAY), is_own) for thumbnail, is_own in window]
    before, after = ([one for one, is_own in part if is_own] for part in (gray[:_AROUND], gray[_AROUND:]))
    return all(is_lost(flow_between(one, other)[0]) for one in before for other in after)
