"""Several subjects: held together, or one after the other as the focus goes from one to the next."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings, Key, Point, SubjectName, SubjectSettings
from any2bokeh.settings.values import TimePoint
from any2bokeh.video.create import create_video
from any2bokeh.video.gray import open_gray_writer

WIDTH, HEIGHT, FRAMES, RATE = 192, 108, 25, Fraction(24)
NEAR, FAR = (slice(None), slice(30, 80), slice(20, 60)), (slice(None), slice(34, 70), slice(120, 150))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of two people before a wall, their masks, and disparity that runs through them in a ramp."""
    root = tmp_path_factory.mktemp("two")
    ramp = torch.linspace(-0.08, 0.08, HEIGHT)[None, :, None].expand(1, HEIGHT, WIDTH)
    disparity = torch.full((1, HEIGHT, WIDTH), 0.1)
    disparity[NEAR] = 0.7 + ramp[NEAR]
    disparity[FAR] = 0.4 + ramp[FAR]
    columns = torch.arange(WIDTH)
    picture = (0.3 + 0.1 * (columns // 3 % 2)).repeat(3, HEIGHT, 1).float()
    picture[NEAR], picture[FAR] = (
        torch.tensor([[[0.9]], [[0.2]], [[0.1]]]),
        torch.tensor([[[0.1]], [[0.2]], [[0.9]]]),
    )
    size = (WIDTH, HEIGHT)
    with (
        create_video(root / "clip.mkv", *size, RATE) as video,
        open_gray_writer(root / "track.mkv", *size, 1 / RATE, RATE) as track,
        open_gray_writer(root / "near.mkv", *size, 1 / RATE, RATE) as near,
        open_gray_writer(root / "far.mkv", *size, 1 / RATE, RATE) as far,
    ):
        for number in range(FRAMES):
            video.write(picture)
            track.write(disparity, number)
            near.write(mask_of(NEAR), number)
            far.write(mask_of(FAR), number)
    return root


def mask_of(place: tuple[slice, ...]) -> Tensor:
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[place] = 1
    return mask


def key(number: int, value: float | SubjectName) -> Key:
    return Key(TimePoint(frame=number), value)


def frames_of(folder: Path, focus: FocusSettings) -> Iterator[tuple[float, Tensor, Tensor]]:
    """The focal plane of each frame, and the disparity well inside of the near and of the far one."""
    settings = ClipSettings(focus=focus, depth=DepthSettings(track=folder / "track.mkv"), device="cpu")
    with ClipSession(folder / "clip.mkv", settings) as clip:
        for frame, disparity in clip.frames():
            yield (
                clip.focus.at(frame.pts).focus_disparity,
                disparity[:, 36:74, 26:54],
                disparity[:, 38:66, 124:146],
            )


@pytest.mark.slow
def test_the_focus_goes_from_one_to_the_other_and_each_stays_one_whole(folder: Path) -> None:
    masks = (folder / "near.mkv", folder / "far.mkv")
    pull = (key(4, SubjectName(1)), key(20, SubjectName(2)))
    planes = []
    for number, (plane, near, far) in enumerate(
        frames_of(folder, FocusSettings(focus_mask=masks, focus_disparity=pull, blur_strength=9))
    ):
        planes.append(plane)
        assert (
            near.min() == near.max() and far.min() == far.max()
        )  # also the one that the focus has left: it blurs as a whole
        if number <= 4:
            assert plane == pytest.approx(float(near[0, 0, 0]), abs=1e-6)
        if number >= 20:
            assert plane == pytest.approx(float(far[0, 0, 0]), abs=1e-6)
    assert 0.65 < planes[0] < 0.8 and 0.35 < planes[-1] < 0.5
    assert planes == sorted(planes, reverse=True)
    assert abs(np.diff(planes)).max() < 0.05  # smooth: 0.3 in 16 frames


def test_a_pull_may_leave_all_subjects(folder: Path) -> None:
    pull = (key(0, SubjectName(1)), key(12, 0.1))
    settings = FocusSettings(focus_mask=(folder / "near.mkv",), focus_disparity=pull, blur_strength=9)
    planes = [plane for plane, near, _ in frames_of(folder, settings)]
    assert planes[0] > 0.65
    assert planes[12:] == pytest.approx([0.1] * (FRAMES - 12))


def test_only_a_subject_that_is_in_focus_has_sharp_edges(folder: Path) -> None:
    masks = (folder / "near.mkv", folder / "far.mkv")
    pull = (key(4, SubjectName(1)), key(20, SubjectName(2)))
    focus = FocusSettings(focus_mask=masks, focus_disparity=pull, blur_strength=9)
    settings = ClipSettings(focus=focus, depth=DepthSettings(track=folder / "track.mkv"), device="cpu")
    with ClipSession(folder / "clip.mkv", settings) as clip:
        wanted = [clip.times[number] for number in (2, 12, 22)]
        first, between, last = (coverage for _, _, coverage in clip.stills(wanted))
    assert first is not None and between is None and last is not None
    assert first[:, 36:74, 26:54].min() > 0.9 and first[:, 38:66, 124:146].max() < 0.1
    assert last[:, 36:74, 26:54].max() < 0.1 and last[:, 38:66, 124:146].min() > 0.9


@pytest.mark.slow
def test_without_a_pull_all_of_them_are_in_the_focal_plane(folder: Path) -> None:
    masks = (folder / "far.mkv", folder / "near.mkv")
    for plane, near, far in frames_of(folder, FocusSettings(focus_mask=masks, blur_strength=9)):
        assert plane == pytest.approx(0.72, abs=0.04)  # the nearest one's
        torch.testing.assert_close(near, torch.full_like(near, plane))
        torch.testing.assert_close(far, torch.full_like(far, plane))


@pytest.mark.slow
def test_a_pull_between_points_goes_from_thing_to_thing(folder: Path) -> None:
    subject = SubjectSettings(points=(Point(40, 50), Point(135, 50)), subject_network="bundled")
    pull = (key(4, SubjectName(1)), key(20, SubjectName(2)))
    settings = FocusSettings(subject=subject, focus_disparity=pull, blur_strength=9)
    planes = [plane for plane, _, _ in frames_of(folder, settings)]
    assert planes[0] == pytest.approx(0.7, abs=0.08)
    assert planes[-1] == pytest.approx(0.4, abs=0.08)


@pytest.mark.parametrize(
    ("masks", "pull"),
    [
        ((Path("a"), Path("b")), (key(0, SubjectName(1)), key(9, SubjectName(3)))),
        ((Path("a"),), (key(0, SubjectName(0)), key(9, 0.2))),
        ((), (key(0, SubjectName(1)), key(9, 0.2))),
    ],
)
def test_a_subject_that_is_not_there_cannot_be_focused_on(
    masks: tuple[Path, ...], pull: tuple[Key, ...]
) -> None:
    with pytest.raises(SettingsError):
        FocusSettings(focus_mask=masks, focus_disparity=pull, blur_strength=9)


def test_k_follows_no_subject() -> None:
    with pytest.raises(SettingsError):
        FocusSettings(
            focus_mask=(Path("a"),),
            focus_disparity=(key(0, SubjectName(1)), key(9, 0.2)),
            blur_strength=(key(0, SubjectName(1)), key(9, 0.2)),
        )
