"""The focus of every frame of a clip, from whichever way it was said in."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from any2bokeh.depth.distances import DepthRange
from any2bokeh.depth.track import DepthClip
from any2bokeh.errors import FocusError, SettingsError
from any2bokeh.focus.focus_track import Curve, Focus, FocusTrack, smooth_focus
from any2bokeh.focus.lens_track import LensTrack, open_lens_track
from any2bokeh.focus.masked import Measured, disparity_in_mask
from any2bokeh.focus.points import disparity_under
from any2bokeh.focus.thin_lens import blur_strength
from any2bokeh.focus.track_files import FocusKeys, read_focus
from any2bokeh.progress import OnCount, ignore
from any2bokeh.settings.focus_settings import FocusSettings, Key, Keys, Point, SubjectName
from any2bokeh.settings.values import TimePoint
from any2bokeh.video.clip import Clip

log = logging.getLogger(__name__)
news = logging.getLogger("any2bokeh.news")  # no warning, but shown

Values = Callable[[int], float]  # a value at each time stamp


def pull_focus(
    clip: DepthClip,
    settings: FocusSettings,
    on_frames: OnCount = ignore,
    *,
    subjects: Sequence[Values] = (),
) -> FocusTrack:
    """Return the focal plane and K of each frame of a clip.

    ``subjects`` are the planes of the subjects, as of ``subject_planes``; without them, masks that the
    settings name are measured. Where the focus is a place in the picture, the clip and its disparity are read
    before they are rendered; only numbers are kept.

    Raises ``FocusError`` if the focus cannot be found in this clip, ``SettingsError`` for a K that a track or
    a camera cannot have.
    """
    lens = open_lens_track(settings.focus_track, clip.video) if settings.focus_track else None
    if lens:
        news.info("%s.", lens)
        plane, strength = _planes_at(clip, lens.focus_m, settings), _lens_strengths(clip, settings, lens)
    else:
        saved = read_focus(settings.focus_track) if settings.focus_track else None
        plane = _planes(clip, settings, saved, on_frames, subjects)
        strength = _strengths(clip, settings, saved)
    distances = depth_ranges(clip, settings)
    focus = [
        Focus(
            here := plane(pts),
            strength(pts, here),
            distances(pts).distance_m(here) if distances else None,
        )
        for pts in clip.video.times
    ]
    return FocusTrack(clip.video.times, focus, settings.depth_of_field)


def subject_planes(
    clip: DepthClip, settings: FocusSettings, masks: Sequence[Path], on_frames: OnCount = ignore
) -> list[Values]:
    """Return the disparity in each subject's mask over time, as a focus puller would follow it."""
    measured = [disparity_in_mask(mask, clip, on_frames) for mask in masks]
    return [smoothed_plane(clip, one, settings) for one in measured]


def key_shares(video: Clip, settings: FocusSettings) -> Callable[[int], dict[int, float]]:
    """Return, for a time stamp, the numbers of the keys that say the plane then, with their shares of it."""
    assert isinstance(settings.focus_disparity, tuple)
    moments_s = key_times_s(video, [key.at for key in settings.focus_disparity])
    place = Curve(moments_s, range(len(moments_s)), settings.easing)

    def shares(pts: int) -> dict[int, float]:
        before, share = divmod(place.at(video.seconds(pts)), 1)
        return {int(before): 1 - share} | ({int(before) + 1: share} if share else {})

    return shares


def subject_shares(video: Clip, settings: FocusSettings, count: int) -> Callable[[int], list[float]]:
    """Return how much each of ``count`` subjects is in focus at each time stamp, 0..1."""
    if not settings.pulls_between_subjects:
        return lambda pts: [1.0] * count
    of_keys, keys = key_shares(video, settings), settings.focus_disparity
    assert isinstance(keys, tuple)

    def shares(pts: int) -> list[float]:
        found = [0.0] * count
        for number, share in of_keys(pts).items():
            value = keys[number].value
            if isinstance(value, SubjectName):
                found[value.number - 1] += share
        return found

    return shares


def _planes(
    clip: DepthClip,
    settings: FocusSettings,
    saved: FocusKeys | None,
    on_frames: OnCount,
    subjects: Sequence[Values],
) -> Values:
    """The focal plane at each time stamp."""
    if settings.focus_at:
        held = disparity_under(settings.focus_at, clip)
        return lambda pts: held
    if settings.focus_m is not None:
        inverse = _values(clip, _inverse(settings.focus_m), settings)  # it is eased in 1 / distance
        return _planes_at(clip, lambda pts: 1 / inverse(pts), settings)
    is_subjects = settings.focus_disparity is None and bool(settings.masks or settings.pointed)
    if is_subjects or settings.pulls_between_subjects:
        subjects = subjects or subject_planes(clip, settings, settings.masks, on_frames)
    if is_subjects:
        return lambda pts: max(subject(pts) for subject in subjects)  # that of the nearest
    value = saved.focus if saved else settings.focus_disparity
    assert value is not None  # FocusSettings checks that there is one way
    return _values(clip, value, settings, subjects)


def _planes_at(clip: DepthClip, focus_m: Values, settings: FocusSettings) -> Values:
    """The focal plane at each time stamp, given its distance."""
    distances = depth_ranges(clip, settings)
    if distances is None:
        raise _unknown_distances(settings.ways()[0], clip)
    planes = {pts: distances(pts).disparity(focus_m(pts)) for pts in clip.video.times}
    if all(plane in (0.0, 1.0) for plane in planes.values()):
        log.warning(
            "The focus at %.3g m is outside all distances of %s, %.3g to %.3g m: the nearest of them, or the"
            " farthest, is in focus.",
            focus_m(clip.video.times[0]),
            clip.video.info.path,
            min(distances(pts).near_m for pts in planes),
            max(distances(pts).far_m for pts in planes),
        )
    return lambda pts: planes[pts]


def _inverse(value: float | Keys) -> float | Keys:
    if not isinstance(value, tuple):
        return 1 / value
    return tuple(replace(key, value=1 / key.value) for key in value if isinstance(key.value, float | int))


def depth_ranges(clip: DepthClip, settings: FocusSettings) -> Callable[[int], DepthRange] | None:
    """Return the depth range by time stamp, or ``None`` where distances are not known.

    It is the one that ``settings`` give, else that of the track.
    """
    camera = settings.camera
    if camera.near_m is not None and camera.far_m is not None:
        given = DepthRange(camera.near_m, camera.far_m)
        return lambda pts: given
    return clip.disparity.depth_range_at if clip.disparity.is_metric else None


def _unknown_distances(argument: str, clip: DepthClip) -> SettingsError:
    return SettingsError(
        f"`{argument}` needs distances in meters, and the disparity of {clip.video.info.path} has none.",
        hint="Give `near_m` and `far_m`, or leave out the track and give `model=video-metric`.",
    )


def smoothed_plane(clip: DepthClip, measured: Measured, settings: FocusSettings) -> Values:
    """Return measurements as a focus puller would follow them, anew in each shot."""
    smoothed = smooth_focus(measured.disparity, clip.video.times_s, settings.smoothing_s, measured.starts)
    by_pts = dict(zip(clip.video.times, smoothed.clip(0, 1).tolist(), strict=True))
    return lambda pts: by_pts[pts]


def _lens_strengths(
    clip: DepthClip, settings: FocusSettings, lens: LensTrack
) -> Callable[[int, float], float]:
    """What K is at each time stamp: K or an f-number in the settings overrides the track."""
    if settings.blur_strength is not None:
        return _strengths(clip, settings, None)
    if settings.camera.f_stop is None and not lens.has_f_stops:
        raise SettingsError(
            f"The focus track {lens.path} says no f-number.", hint="Give `f_stop`, or `blur_strength`."
        )
    distances = depth_ranges(clip, settings)
    assert distances is not None  # the focal plane was found by them
    return lambda pts, plane: blur_strength(lens.camera(pts, settings.camera), distances(pts), plane)


def _strengths(
    clip: DepthClip, settings: FocusSettings, saved: FocusKeys | None
) -> Callable[[int, float], float]:
    """What K is at each time stamp, given the focal plane there."""
    if settings.camera.f_stop is not None:
        if saved and saved.strength:
            raise _said_twice(settings, "f_stop")
        distances = depth_ranges(clip, settings)
        if distances is None:
            raise _unknown_distances("f_stop", clip)
        return lambda pts, plane: blur_strength(settings.camera, distances(pts), plane)
    value = settings.blur_strength
    if saved and saved.strength:
        if value is not None:
            raise _said_twice(settings, "blur_strength")
        value = saved.strength
    if value is None:
        raise SettingsError(
            f"The focus track {settings.focus_track} has no column k.",
            hint="Add it, or give `blur_strength` or `f_stop`.",
        )
    values = _values(clip, value, settings)
    return lambda pts, plane: values(pts)


def _values(
    clip: DepthClip, value: float | Keys, settings: FocusSettings, subjects: Sequence[Values] = ()
) -> Values:
    """A number, or keys over time, as a value at each time stamp."""
    if not isinstance(value, tuple):
        number = value
        return lambda pts: number
    if settings.pulls_between_subjects and subjects:
        return _between(clip, value, settings, subjects)
    moments_s = key_times_s(clip.video, [key.at for key in value])
    curve = Curve(moments_s, [_number(clip, key) for key in value], settings.easing)
    return lambda pts: curve.at(clip.video.seconds(pts))


def _between(clip: DepthClip, keys: Keys, settings: FocusSettings, subjects: Sequence[Values]) -> Values:
    """A pull in which some keys are subjects, whose planes go on changing while the focus leaves them."""

    def constant(number: float) -> Values:
        return lambda pts: number

    planes = [
        subjects[key.value.number - 1] if isinstance(key.value, SubjectName) else constant(_number(clip, key))
        for key in keys
    ]
    shares = key_shares(clip.video, settings)
    return lambda pts: sum(share * planes[number](pts) for number, share in shares(pts).items())


def _number(clip: DepthClip, key: Key) -> float:
    """The value of a key that names no subject."""
    assert not isinstance(key.value, SubjectName)
    return disparity_under(replace(key.value, at=key.at), clip) if isinstance(key.value, Point) else key.value


def _said_twice(settings: FocusSettings, argument: str) -> SettingsError:
    return SettingsError(
        f"Conflicting blur: `{argument}` and the column k of {settings.focus_track}.",
        hint="Give one of them.",
    )


def key_times_s(video: Clip, points: Sequence[TimePoint]) -> list[float]:
    """Return moments that a user named in order [s], of the whole video whatever part is worked on.

    Raises ``FocusError`` if one is after the video's end, or they are not in order.
    """
    moments: list[float] = []
    for number, point in enumerate(points):
        moment_s = _key_time_s(video, point)
        if moments and moment_s <= moments[-1] and point.seconds is not None:
            moment_s = float(point.seconds)  # two keys within one frame
        if moments and moment_s <= moments[-1]:
            raise FocusError(
                f"The keys are out of order in {video.info.path}: {point} does not come after"
                f" {points[number - 1]}."
            )
        moments.append(moment_s)
    return moments


def _key_time_s(video: Clip, point: TimePoint) -> float:
    """The time of the frame that is on the screen at a moment; the end of the video itself is one too."""
    times = video.all_times
    # The last frame is taken to last as long as the one before.
    end_s = video.seconds(times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0))
    number = point.frame
    if point.seconds is not None:
        number = video.number_on_screen(point.seconds)
        if number is None and float(point.seconds) <= end_s:
            return float(point.seconds)
    if number is not None and number < len(times):
        return video.seconds(times[number])
    raise FocusError(
        f"The key at {point} is after the end of {video.info.path}, which has {len(times)} frames and lasts"
        f" {end_s:.2f} s."
    )
