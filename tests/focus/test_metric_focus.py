"""Focus and blur in meters: a metric track made by hand, and a lens of which all is known."""

import json
import logging
from pathlib import Path

import pytest
from films import write_clip
from video_depth import write_metric_track

from any2bokeh.depth.distances import DepthRange
from any2bokeh.errors import SettingsError
from any2bokeh.focus.focus_track import FocusTrack
from any2bokeh.focus.track_files import read_focus, write_focus
from any2bokeh.preview.moments import choose_times, moments_at
from any2bokeh.preview.page import page_stills
from any2bokeh.preview.pictures import what
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import CameraSettings, FocusSettings, Key, PreviewFocusSettings
from any2bokeh.settings.preview_settings import PreviewSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.values import TimePoint

FIRST, SECOND, CUT = DepthRange(1, 5), DepthRange(2, 20), 4  # of 8 frames
LENS = CameraSettings(f_stop=1.8)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", frames=8)


@pytest.fixture
def track(clip: Path, tmp_path: Path) -> Path:
    return write_metric_track(tmp_path / "track.mkv", clip, {0: FIRST, CUT: SECOND})


def focus_of(clip: Path, track: Path, focus: FocusSettings) -> FocusTrack:
    settings = ClipSettings(focus=focus, depth=DepthSettings(track=track), device="cpu")
    with ClipSession(clip, settings) as session:
        return session.focus


def k_of(distances: DepthRange, focus_m: float) -> float:
    """K of a 50 mm lens at f/1.8: half the aperture, stretched, in pixels of 1024 on 36 mm."""
    aperture_m, stretch = 0.05 / 1.8, focus_m / (focus_m - 0.05)
    return aperture_m / 2 * 0.05 * stretch * (1 / distances.near_m - 1 / distances.far_m) * 1024 / 0.036


def test_a_distance_stays_in_focus_across_a_cut(clip: Path, track: Path) -> None:
    found = focus_of(clip, track, FocusSettings(focus_m=2.5, camera=LENS))
    for number, focus in enumerate(found.focus):
        distances = FIRST if number < CUT else SECOND
        wanted = (1 / 2.5 - 1 / distances.far_m) / (1 / distances.near_m - 1 / distances.far_m)
        assert focus.focus_disparity == pytest.approx(wanted)
        assert focus.focus_m == pytest.approx(2.5)
        assert focus.blur_strength == pytest.approx(k_of(distances, 2.5))
    assert found.meters_range == pytest.approx((2.5, 2.5))


def test_a_disparity_in_focus_is_told_in_meters(clip: Path, track: Path) -> None:
    found = focus_of(clip, track, FocusSettings(focus_disparity=1, camera=LENS))
    assert [focus.focus_m for focus in found.focus] == pytest.approx([1] * CUT + [2] * 4)
    strengths = [k_of(FIRST, 1)] * CUT + [k_of(SECOND, 2)] * 4
    assert [focus.blur_strength for focus in found.focus] == pytest.approx(strengths)


def test_a_pull_in_meters_moves_evenly_in_inverse_distance(clip: Path, track: Path) -> None:
    keys = (Key(TimePoint(frame=0), 1.0), Key(TimePoint(frame=6), 4.0))
    found = focus_of(clip, track, FocusSettings(focus_m=keys, blur_strength=8, easing="linear"))
    wanted = [1 / (1 + number / 6 * (1 / 4 - 1)) for number in range(7)]
    # In the second shot nothing is nearer than 2 m.
    assert [focus.focus_m for focus in found.focus[:CUT]] == pytest.approx(wanted[:CUT], rel=1e-3)
    assert found.focus[5].focus_m == pytest.approx(max(2, wanted[5]), rel=1e-3)
    assert found.focus[6].focus_m == pytest.approx(4)


def test_distances_that_are_given_are_taken_in_place_of_the_tracks(clip: Path, track: Path) -> None:
    camera = CameraSettings(near_m=2, far_m=4)
    found = focus_of(clip, track, FocusSettings(focus_m=3, camera=camera, blur_strength=8))
    assert found.focus[0].focus_disparity == pytest.approx((1 / 3 - 1 / 4) / (1 / 2 - 1 / 4))


def test_a_distance_beyond_all_is_focused_as_near_as_possible_and_said(
    clip: Path, track: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = focus_of(clip, track, FocusSettings(focus_m=0.5, blur_strength=8))
    assert [focus.focus_disparity for focus in found.focus] == [1] * 8
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "0.5 m" in caplog.text and "1 to 20 m" in caplog.text


@pytest.mark.parametrize(
    "focus", [FocusSettings(focus_m=2, blur_strength=8), FocusSettings(focus_disparity=0.5, camera=LENS)]
)
def test_a_track_without_distances_names_what_is_missing(
    focus: FocusSettings, clip: Path, tmp_path: Path
) -> None:
    from films import write_track

    with pytest.raises(SettingsError) as caught:
        focus_of(clip, write_track(tmp_path / "plain.mkv", frames=8), focus)
    assert "`near_m`" in caught.value.hint and "`model=video-metric`" in caught.value.hint


def test_without_a_source_of_distances_settings_are_refused_before_a_clip_is_opened() -> None:
    for focus in (FocusSettings(focus_m=2, blur_strength=8), FocusSettings(focus_disparity=0.5, camera=LENS)):
        with pytest.raises(SettingsError, match="model=video-metric"):
            Settings(focus=focus)
        assert Settings(focus=focus, depth=DepthSettings(model="video-metric")).focus is focus
    with pytest.raises(SettingsError, match="focus_m"):
        PreviewSettings(focus=PreviewFocusSettings(focus_m=2))
    with pytest.raises(SettingsError, match="`near_m` and `far_m` need"):
        FocusSettings(focus_disparity=0.5, blur_strength=8, camera=CameraSettings(near_m=1, far_m=2))
    with pytest.raises(SettingsError, match="together"):
        CameraSettings(f_stop=2, far_m=2)


def test_moments_of_a_preview_know_their_distances(clip: Path, track: Path) -> None:
    settings = PreviewSettings(
        focus=PreviewFocusSettings(focus_m=2.5), depth=DepthSettings(track=track), at=(TimePoint(frame=6),)
    )
    with ClipSession(clip, settings.clip) as session:
        [moment] = moments_at(session, choose_times(session, settings, 1))
    assert moment.depth_range == SECOND
    assert what(moment.focus).startswith("focus 0.778 (2.5 m)")
    assert moment.focused_on(1).focus.focus_m == pytest.approx(2)
    page = json.dumps(page_stills([moment]))
    assert '"distances": [2.0, 20.0]' in page


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_the_focus_track_says_meters_and_is_read_again(
    suffix: str, clip: Path, track: Path, tmp_path: Path
) -> None:
    found = focus_of(clip, track, FocusSettings(focus_m=2.5, camera=LENS))
    path = tmp_path / f"focus{suffix}"
    write_focus(path, found, lambda pts: pts / 1000)
    text = path.read_text()
    first = (
        json.loads(text)[0]
        if suffix == ".json"
        else dict(zip(*(line.split(",") for line in text.splitlines()[:2]), strict=True))
    )
    assert float(first["focus_m"]) == pytest.approx(2.5)
    saved = read_focus(path)
    assert [key.value for key in saved.focus] == [focus.focus_disparity for focus in found.focus]
