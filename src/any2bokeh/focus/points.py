"""The disparity under a point of the picture."""

from torch import Tensor

from any2bokeh.errors import FocusError
from any2bokeh.focus.clip import Clip
from any2bokeh.settings.focus_settings import Point
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import VideoInfo

PATCH_SHARE = 1 / 200  # of the picture's longer side, to each side of the point: 10 pixels in 1080p


def place_of(point: Point, info: VideoInfo) -> tuple[float, float]:
    """Return a point as shares of the picture's width and height.

    Raises ``FocusError`` for one outside the picture.
    """
    if max(point.x, point.y) <= 1:
        return point.x, point.y
    if point.x >= info.width or point.y >= info.height:
        raise FocusError(
            f"The point {point} is outside the frame of {info.path}, which is {info.width}x{info.height}.",
            hint="X,Y are pixels from the upper left, or shares of the frame where both are at most 1.",
        )
    return (point.x + 0.5) / info.width, (point.y + 0.5) / info.height


def disparity_under(point: Point, clip: Clip) -> float:
    """Return the disparity under a point at its moment: the median of a small patch around it.

    Raises ``FocusError`` for a point outside the picture or outside the part that is worked on.
    """
    place = place_of(point, clip.info)
    with clip.frames(TimeRange(start=point.at or clip.time_range.start)) as frames:
        _, disparity = next(frames)
    return float(patch_at(place, disparity).median())


def patch_at(place: tuple[float, float], disparity: Tensor) -> Tensor:
    """Return the pixels of ``disparity`` (``1 h w``) around a place given in shares of its sides."""
    height, width = disparity.shape[1:]
    radius = max(1, round(PATCH_SHARE * max(height, width)))
    column = min(int(place[0] * width), width - 1)
    row = min(int(place[1] * height), height - 1)
    return disparity[
        0,
        max(0, row - radius) : row + radius + 1,
        max(0, column - radius) : column + radius + 1,
    ]
