"""What the user can choose of focus and blur, and all that can be known wrong about it without a video."""

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from any2bokeh.errors import SettingsError
from any2bokeh.settings.values import Range, TimePoint, check_choice

Easing = Literal["smooth", "linear", "hold"]
SubjectNetwork = Literal["auto", "bundled", "sam2", "edgetam"]

FOCUS_TRACK_SUFFIXES = (".csv", ".json")
FOCUS_DISPARITY = Range("focus_disparity", "a disparity", 0, 1)
BLUR_STRENGTH = Range("blur_strength", "a radius in pixels", 0, 128)
DOF_RANGE = Range("dof_range", "a disparity", 0, 1)
NEAR_STRENGTH = Range("near_strength", "a factor", 0, 4)
FAR_STRENGTH = Range("far_strength", "a factor", 0, 4)
F_STOP = Range("f_stop", "an f-number", 0.5, 64)
FOCAL_LENGTH_MM = Range("focal_length_mm", "millimeters on full frame", 4, 2000)
USUAL_FOCAL_LENGTH_MM = 50.0
SMOOTHING_S = Range("smoothing_s", "seconds", 0, 5)
NEAR_M = Range("near_m", "meters", 0.01, 1e6)
FOCUS_M = Range("focus_m", "meters", 0.01, 1e6)
FAR_M = Range("far_m", "meters", 0.01, 1e6)

# The ways of saying where the focus is.
_WAYS = ("focus_disparity", "focus_m", "focus_at", "points", "follow", "focus_mask", "focus_track")


@dataclass(frozen=True)
class Point:
    """A place in the displayed picture, and the moment at which it is looked at (``None``: the first).

    ``x`` and ``y`` count pixels from the upper left corner; where both are at most 1 they are shares of
    the picture's width and height.
    """

    x: float
    y: float
    at: TimePoint | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y) and min(self.x, self.y) >= 0):
            raise SettingsError(f"A point cannot be negative, got {self.x:g},{self.y:g}.")

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g}"


@dataclass(frozen=True)
class LikeliestPoint(Point):
    """The point on a clip's likeliest subject, which is yet to be found."""

    x: float = 0.5
    y: float = 0.5

    def __str__(self) -> str:
        return "auto"


@dataclass(frozen=True)
class SubjectName:
    """One of the subjects, by its number in the order in which they were given, counted from 1."""

    number: int

    def __str__(self) -> str:
        return f"subject{self.number}"


@dataclass(frozen=True)
class Key:
    """A value at one moment: a number, or (of the focus) the disparity under a point, or of a subject."""

    at: TimePoint
    value: float | Point | SubjectName


Keys = tuple[Key, ...]

MIDDLE, CLEAR_K = Point(0.5, 0.5), 16.0  # what a preview takes where nothing is said


@dataclass(frozen=True, kw_only=True)
class SubjectSettings:
    """Which things are the subject, by ``points`` on them; each is followed from its moment both ways.

    A ``LikeliestPoint`` lets the tool choose the subject of each clip.

    ``not_points`` are on something else that the network took for a part of them. ``subject_network`` does
    the following: ``auto`` takes one that was downloaded, or else the ``bundled`` one.
    """

    points: tuple[Point, ...] = ()
    not_points: tuple[Point, ...] = ()
    subject_network: SubjectNetwork = "auto"

    def __post_init__(self) -> None:
        check_choice("`subject_network`", self.subject_network, SubjectNetwork)
        if self.not_points and not self.points:
            raise SettingsError("`not_points` needs `points`: something must be the subject.")
        if self.is_automatic and len(self.points) > 1:
            raise SettingsError("`points` are auto alone, or points, not both.")

    @property
    def is_automatic(self) -> bool:
        """Whether the subject is yet to be found."""
        return any(isinstance(point, LikeliestPoint) for point in self.points)


@dataclass(frozen=True, kw_only=True)
class DepthOfFieldSettings:
    """How blur grows away from the focal plane.

    ``dof_range`` is the whole depth, in disparity, around the focal plane that stays sharp: the circle of
    confusion begins to grow at half of it. The strengths multiply the blur in front of the focal plane and
    behind it.
    """

    dof_range: float = 0.0
    near_strength: float = 1.0
    far_strength: float = 1.0

    def __post_init__(self) -> None:
        DOF_RANGE.check(self.dof_range)
        NEAR_STRENGTH.check(self.near_strength)
        FAR_STRENGTH.check(self.far_strength)


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """A real lens, from which K follows (see ``focus/thin_lens.py``): full-frame equivalents.

    ``focal_length_mm`` of ``None`` is that in a focus track, else 50. ``near_m`` and ``far_m`` are the
    distances that disparity 1 and 0 stand for; without them, those of a metric network or track are taken.
    """

    f_stop: float | None = None
    focal_length_mm: float | None = None
    near_m: float | None = None
    far_m: float | None = None

    def __post_init__(self) -> None:
        if self.focal_length_mm is not None:
            FOCAL_LENGTH_MM.check(self.focal_length_mm)
        if self.f_stop is not None:
            F_STOP.check(self.f_stop)
        if self.near_m is None and self.far_m is None:
            return  # a metric track knows them
        if self.near_m is None or self.far_m is None:
            raise SettingsError(
                "Distances of disparity 1 and 0 are given together: `near_m` and `far_m`, for `f_stop` or"
                " `focus_m`."
            )
        NEAR_M.check(self.near_m)
        FAR_M.check(self.far_m)
        if self.far_m <= self.near_m:
            raise SettingsError(f"`far_m`, {self.far_m:g}, must be more than `near_m`, {self.near_m:g}.")
        if self.f_stop is not None and self.near_m <= self.focal_length_m:
            length_mm = self.focal_length_m * 1000
            raise SettingsError(
                f"A lens of {length_mm:g} mm cannot be focused at `near_m`, {self.near_m:g} m."
            )

    @property
    def focal_length_m(self) -> float:
        """The focal length in meters."""
        return (USUAL_FOCAL_LENGTH_MM if self.focal_length_mm is None else self.focal_length_mm) / 1000


@dataclass(frozen=True, kw_only=True)
class FocusSettings:
    """Where the focus is, said in exactly one way, and how strong the blur is.

    ``focus_disparity``: a disparity (0..1, near is 1), or keys over time. ``focus_m``: a distance in meters,
    or keys over time, where distances are known. ``focus_at``: the disparity under a point, held.
    ``subject``: the things at its points. ``follow``: the thing at a point, wherever it moves.
    ``focus_mask``: the subject that a mask, or several, show. ``focus_track``: a file of focus over time,
    which may be the record of a lens: OpenTrackIO, or the EXR files of a sequence.

    All of a subject is held sharp, unless ``subject_depth`` keeps its estimated relief; a number as
    ``focus_disparity`` says at which disparity, and keys that name subjects pull from one to the other.
    Things that are pointed at are held by the masks that a segmentation network finds.

    ``blur_strength`` is K, a number or keys over time, unless a track or the camera gives it; before the
    f-number of a recorded lens, both it and the camera's count. ``easing`` is how values move from key to
    key; ``smoothing_s``, over how much time the focus on a moving subject is smoothed (a standard deviation).
    """

    focus_disparity: float | Keys | None = None
    focus_m: float | Keys | None = None
    focus_at: Point | None = None
    subject: SubjectSettings = field(default_factory=SubjectSettings)
    follow: Point | None = None
    focus_mask: Path | tuple[Path, ...] | None = None
    focus_track: Path | None = None
    subject_depth: bool = False
    blur_strength: float | Keys | None = None
    easing: Easing = "smooth"
    smoothing_s: float = 0.1
    depth_of_field: DepthOfFieldSettings = field(default_factory=DepthOfFieldSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)

    def __post_init__(self) -> None:
        check_choice("`easing`", self.easing, Easing)
        SMOOTHING_S.check(self.smoothing_s)
        ways = [f"`{name}`" for name in self.ways()]
        subjects = len(self.masks) or len(self.subject.points)
        holds_at_number = subjects > 0 and isinstance(self.focus_disparity, float | int)
        self._check_names(subjects)
        if len(ways) > 1 + (holds_at_number or self.pulls_between_subjects):
            raise SettingsError(f"{' and '.join(ways)} conflict. Give one.")
        if not ways:
            names = ", ".join(f"`{name}`" for name in _WAYS)
            raise SettingsError("No focus is given.", hint=f"Give one of {names}.")
        if self.focus_disparity is not None:
            check_values(self.focus_disparity, FOCUS_DISPARITY)
        if self.focus_m is not None:
            check_values(self.focus_m, FOCUS_M)
            _check_numbers(self.focus_m, "focus_m", "a distance cannot be read from the picture")
        if self.camera.near_m is not None and not self.needs_distances and self.focus_track is None:
            raise SettingsError("`near_m` and `far_m` need `f_stop` or `focus_m`.")
        if self.subject_depth and not self.masks and self.pointed is None:
            raise SettingsError("`subject_depth` is for a subject: it needs `points` or `focus_mask`.")
        self._check_strength()

    @property
    def masks(self) -> tuple[Path, ...]:
        """The files that show subjects, one for each."""
        if self.focus_mask is None:
            return ()
        return self.focus_mask if isinstance(self.focus_mask, tuple) else (self.focus_mask,)

    @property
    def pulls_between_subjects(self) -> bool:
        """Whether a key of the focus names a subject."""
        keys = self.focus_disparity if isinstance(self.focus_disparity, tuple) else ()
        return any(isinstance(key.value, SubjectName) for key in keys)

    def ways(self) -> list[str]:
        """Return the names of what says where the focus is."""
        said = {"points": self.subject.points or None, "focus_mask": self.masks or None}
        return [name for name in _WAYS if said.get(name, getattr(self, name, None)) is not None]

    @property
    def pointed(self) -> SubjectSettings | None:
        """The things that are pointed at, if that says where the focus is."""
        if self.follow is not None:
            return replace(self.subject, points=(self.follow,))
        return self.subject if self.subject.points else None

    @property
    def needs_distances(self) -> bool:
        """Whether the focus or K follows from distances in meters."""
        return self.focus_m is not None or self.camera.f_stop is not None

    @property
    def strongest(self) -> float | None:
        """The largest K of all, or ``None`` where only a camera or a track knows it."""
        if isinstance(self.blur_strength, tuple):
            return max(key.value for key in self.blur_strength if isinstance(key.value, float | int))
        return self.blur_strength

    def _check_names(self, subjects: int) -> None:
        """Raise ``SettingsError`` for a key that names a subject which is not there."""
        keys = self.focus_disparity if isinstance(self.focus_disparity, tuple) else ()
        for key in keys:
            if isinstance(key.value, SubjectName) and not 1 <= key.value.number <= subjects:
                raise SettingsError(
                    f"`focus_disparity` names {key.value}, and there are {subjects} subjects.",
                    hint="Each `points` or `focus_mask` gives one; subject1 is the first.",
                )

    def _check_strength(self) -> None:
        if self.blur_strength is None:
            if self.camera.f_stop is None and self.focus_track is None:
                raise SettingsError("No blur strength is given.", hint="Give `blur_strength`, or `f_stop`.")
            return
        if self.camera.f_stop is not None:
            raise SettingsError("`blur_strength` and `f_stop` conflict. Give one.")
        check_values(self.blur_strength, BLUR_STRENGTH)
        _check_numbers(self.blur_strength, "blur_strength", "K cannot be read from the picture")


@dataclass(frozen=True, kw_only=True)
class PreviewFocusSettings(FocusSettings):
    """A focus to look at first: without one, the middle of the picture."""

    def __post_init__(self) -> None:
        if not self.ways():
            object.__setattr__(self, "focus_at", MIDDLE)
        if self.blur_strength is None and self.camera.f_stop is None and self.focus_track is None:
            object.__setattr__(self, "blur_strength", CLEAR_K)
        super().__post_init__()


def _check_numbers(value: float | Keys, name: str, reason: str) -> None:
    """Raise ``SettingsError`` for keys of points or subjects."""
    if isinstance(value, tuple) and any(isinstance(key.value, Point | SubjectName) for key in value):
        raise SettingsError(f"`{name}` needs a number at each key, not a point or a subject: {reason}.")


def check_values(value: float | Keys, accepted: Range) -> None:
    """Raise ``SettingsError`` for a number outside the range, or keys that are not in order of time."""
    if not isinstance(value, tuple):
        accepted.check(value)
        return
    if not value:
        raise SettingsError(f"`{accepted.name}` has no key.")
    for key in value:
        if not isinstance(key.value, Point | SubjectName):
            accepted.check(key.value)
    for before, after in pairwise(value):
        if after.at.is_after(before.at) is False:
            raise SettingsError(
                f"The keys of `{accepted.name}` must be in order of time, got {after.at} after {before.at}."
            )
