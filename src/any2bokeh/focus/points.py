"""Points of the picture: where they are, at which moment, and the disparity under them."""

from torch import Tensor

from any2bokeh.depth.track import DepthClip
from any2bokeh.errors import FocusError
from any2bokeh.settings.focus_settings import FocusSettings, Point
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.clip import Clip
from any2bokeh.video.opening import VideoInfo

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
            hint="Give X,Y in pixels from the upper left corner, or as shares of the frame from 0 to 1.",
        )
    return (point.x + 0.5) / info.width, (point.y + 0.5) / info.height


def check_points(settings: FocusSettings, video: Clip) -> None:
    """Raise ``FocusError`` for a point outside the picture or the part, before minutes go into disparity."""
    keys = settings.focus_disparity if isinstance(settings.focus_disparity, tuple) else ()
    at_keys = [key.value for key in keys if isinstance(key.value, Point)]
    subject = settings.subject
    for point in (settings.focus_at, settings.follow, *subject.points, *subject.not_points, *at_keys):
        if point is not None:
            place_of(point, video.info)
            time_of(point, video)


def time_of(point: Point, video: Clip) -> int:
    """Return the time stamp of the frame that a point is looked at in.

    Raises ``FocusError`` for one outside the part that is worked on.
    """
    first, last = video.times[0], video.times[-1]
    pts = first if point.at is None else video.find(TimeRange(start=point.at)).start
    assert pts is not None  # a range that starts somewhere has a first frame
    if first <= pts <= last:
        return pts
    raise FocusError(
        f"The point {point} is at {video.seconds(pts):.2f} s of {video.info.path},"
        " outside the part to process."
    )


def disparity_under(point: Point, clip: DepthClip) -> float:
    """Return the disparity under a point at its moment: the median of a small patch around it.

    Raises ``FocusError`` for a point outside the picture or outside the part that is worked on.
    """
    place = place_of(point, clip.video.info)
    disparity = clip.disparity.alone_at(time_of(point, clip.video))
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
