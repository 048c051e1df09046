"""The cases of an evaluation: refocused versions of a data set, with their ground truth, and real clips."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.depth.cache import cache_key
from any2bokeh.depth.track import MatchedFrames, open_mask
from any2bokeh.lab.synthesis.dataset import Dataset
from any2bokeh.lab.synthesis.dataset_clip import (
    DISPARITY_FILE,
    OBJECTS_FILE,
    SCENE_FILE,
    SHARP_FILE,
    ClipSetting,
    DatasetClip,
    refocused_file,
)
from any2bokeh.optics.coc import coc_px
from any2bokeh.progress import Progress, ignore
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.evaluation_settings import EvaluationSettings

IN_FOCUS_PX = 1.0  # pixels that blur by less are in focus, unless an object or mask is given

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseFrame:
    """One frame of a case: the renderer's input, the ground truth, and the mask of the focus region.

    ``ground_truth`` is ``3 H W`` in 0..1, ``None`` where it is not known; ``mask`` is ``1 h w`` in 0..1.
    """

    scene: Scene
    ground_truth: Tensor | None
    mask: Tensor


class Case(ABC):
    """A clip with its focus and blur strength.

    ``name`` is its own, ``clip`` that of its clip, which it may share with cases of another focus;
    ``group`` says how it is focused, for figures of cases that are alike.
    """

    name: str
    clip: str
    group: str
    pictures: PictureFormat
    frames: int
    strongest: float | None
    has_ground_truth: bool

    @abstractmethod
    def open(self, on_progress: OnProgress = ignore) -> AbstractContextManager[Iterator[CaseFrame]]:
        """Give the frames one after the other; raises ``RefocusError`` where they cannot be read."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a string that changes when the case does."""

    @abstractmethod
    def prediction_names(self) -> tuple[str, ...]:
        """Where a folder of finished clips may have this one: paths without their suffix."""


class DatasetCase(Case):
    """A refocused version of a clip of a data set."""

    has_ground_truth = True

    def __init__(self, clip: DatasetClip, setting: ClipSetting, prefix: str = "") -> None:
        self._clip, self._setting = clip, setting
        self.clip = prefix + clip.name
        self.name = f"{self.clip}.{setting.name}"
        self.pictures = PictureFormat(height=clip.height, width=clip.width)
        self.frames = clip.frames
        self.strongest = max(setting.blur_strength)
        self.group = f"K {setting.blur_strength[0]:g}" if setting.kind == "fixed" else setting.kind

    @contextmanager
    def open(self, on_progress: OnProgress = ignore) -> Iterator[Iterator[CaseFrame]]:
        """Give the frames of the data set."""
        yield self._frames()

    def fingerprint(self) -> str:
        """The clip's description and its files' sizes and times."""
        folder = self._clip.folder
        states = [(folder / name).stat() for name in self._files()]
        described = (folder / SCENE_FILE).read_text(encoding="utf-8")
        return _digest([described, *(f"{state.st_size} {state.st_mtime_ns}" for state in states)])

    def prediction_names(self) -> tuple[str, ...]:
        """As in a data set, or both names in one."""
        clip, setting = self._clip.name, self._setting.name
        return f"{clip}/bokeh-{setting}", f"{clip}.{setting}"

    def _files(self) -> list[str]:
        return [SHARP_FILE, DISPARITY_FILE, OBJECTS_FILE, refocused_file(self._setting.name)]

    def _frames(self) -> Iterator[CaseFrame]:
        clip, setting = self._clip, self._setting
        frames = zip(clip.iter_frames(), clip.iter_refocused(setting), strict=True)
        for number, (frame, ground_truth) in enumerate(frames):
            focus = setting.at(number)
            scene = Scene(
                sharp=frame.sharp,
                disparity=frame.disparity,
                focus_disparity=focus.focus_disparity,
                blur_strength=focus.blur_strength,
                pts=number,
            )
            mask = in_focus(scene) if setting.object is None else (frame.objects == setting.object).float()
            yield CaseFrame(scene=scene, ground_truth=ground_truth, mask=mask)


class FilmedCase(Case):
    """A real clip, focused as the settings say."""

    has_ground_truth = False

    def __init__(self, source: Path, settings: EvaluationSettings, name: str) -> None:
        self._settings = settings
        with ClipSession(source, settings.clip) as clip:
            self._source, self.pictures, self.frames = source, clip.info.pictures, len(clip.times)
        self.name = self.clip = name
        self.strongest = settings.focus.strongest
        self.group = ""

    @contextmanager
    def open(self, on_progress: OnProgress = ignore) -> Iterator[Iterator[CaseFrame]]:
        """Give the frames, with their disparity found and their focus pulled before."""
        wanted = self._settings.focus.masks
        with ClipSession(self._source, self._settings.clip, on_progress) as clip, ExitStack() as stack:
            scenes = stack.enter_context(closing(clip.scenes()))
            masks = [stack.enter_context(open_mask(mask, clip.video)) for mask in wanted]
            yield (
                CaseFrame(
                    scene=scene,
                    ground_truth=None,
                    mask=_together(masks, scene.pts) if masks else in_focus(scene),
                )
                for scene in scenes
            )

    def fingerprint(self) -> str:
        """The settings and the files that they name."""
        depth, focus = self._settings.depth, self._settings.focus
        read = [self._source, depth.track, *focus.masks, focus.focus_track]
        files = [cache_key(path, {}) for path in read if path and path.is_file()]
        said = (depth, focus, self._settings.time_range)
        return _digest([*files, *map(repr, said)])

    def prediction_names(self) -> tuple[str, ...]:
        """The clip's own name, or that of a result of ours."""
        stem = self._source.stem
        return stem, f"{stem}.refocus"


def dataset_cases(dataset: Dataset, prefix: str = "") -> list[Case]:
    """Return every refocused version of every clip."""
    return [DatasetCase(clip, setting, prefix) for clip in dataset.clips for setting in clip.settings]


def thinned(cases: list[Case], most: int | None) -> list[Case]:
    """Return at most so many cases, in order, spread over clips, and from clip to clip over settings."""
    clips: dict[str, list[Case]] = {}
    for case in cases:
        clips.setdefault(case.clip, []).append(case)
    rounds = max(map(len, clips.values()), default=0)
    chosen = [
        group[(turn + number) % len(group)]
        for turn in range(rounds)
        for number, group in enumerate(clips.values())
        if turn < len(group)
    ]
    kept = {case.name for case in chosen[:most]}
    return [case for case in cases if case.name in kept]


def most_telling(cases: list[Case], count: int) -> list[Case]:
    """Return so many cases to look at: of one clip after the other, the one with the strongest blur left."""
    clips: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.strongest or 0, reverse=True):
        clips.setdefault(case.clip, []).append(case)
    names = sorted(clips)
    turns = range(max(map(len, clips.values()), default=0))
    return [clips[name][turn] for turn in turns for name in names if turn < len(clips[name])][:count]


def _together(masks: list[MatchedFrames], pts: int) -> Tensor:
    """The mask of all subjects in one frame: ``1 h w`` of the first one's size."""
    first, *others = (mask.values_at(pts) for mask in masks)
    for other in others:
        first = torch.maximum(first, interpolate(other[None], first.shape[1:], mode="nearest")[0])
    return first


def in_focus(scene: Scene) -> Tensor:
    """Return the mask of pixels that blur by less than a pixel: ``1 H W`` float32, 0 or 1."""
    longer_side_px = max(scene.sharp.shape[1:])
    coc = coc_px(scene.disparity, scene.focus_disparity, scene.blur_strength, longer_side_px)
    return (coc.abs() < IN_FOCUS_PX).float()


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]
