"""The lens over time out of OpenTrackIO and out of EXR, in step with a clip."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from facts import naming
from stills import write_sequence

from any2bokeh.errors import FocusError
from any2bokeh.focus.lens_samples import read_lens_samples
from any2bokeh.focus.lens_track import LensTrack, open_lens_track
from any2bokeh.settings.focus_settings import CameraSettings
from any2bokeh.settings.video_settings import InputSettings
from any2bokeh.video.clip import Clip
from any2bokeh.video.footage import open_footage

NUMBERS = [1001, 1002, 1003, 1004]
RATE = {"num": 24000, "denom": 1001}


@pytest.fixture
def clip(tmp_path: Path) -> Iterator[Clip]:
    pattern = write_sequence(tmp_path / "s.%04d.png", NUMBERS, 8)
    with open_footage(pattern, InputSettings(frame_rate=Fraction(24000, 1001))) as opened:
        yield opened


def sample(place: int = 0, focus_m: Any = 2.0, **lens: Any) -> dict[str, Any]:
    """One sample as the example of the specification writes it, but for what a focus does not need."""
    code = {"hours": 23, "minutes": 2, "seconds": 3, "frames": 4 + place, "frameRate": RATE}
    return {
        "protocol": {"name": "OpenTrackIO", "version": [1, 0, 0]},
        "timing": {"sampleRate": RATE, "timecode": code},
        "lens": {"focusDistance": focus_m, "fStop": 4.0} | lens,
    }


def samples(count: int = 4) -> list[dict[str, Any]]:
    return [sample(place, 2.0 + place) for place in range(count)]


def read(path: Path, found: Any, clip: Clip) -> LensTrack:
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    track = open_lens_track(path, clip)
    assert track is not None
    return track


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a.json", json.dumps(samples())),
        ("a.json", json.dumps({"samples": samples()}, indent=2)),
        ("a.json", "\n".join(map(json.dumps, samples()))),
        ("a.jsonl", "\n".join(map(json.dumps, samples())) + "\n\n"),
    ],
)
def test_samples_stand_in_a_list_or_one_in_a_line(
    clip: Clip, tmp_path: Path, name: str, written: str
) -> None:
    track = read(tmp_path / name, written, clip)
    assert [track.focus_m(number) for number in NUMBERS] == [2, 3, 4, 5]
    assert track.has_f_stops and track.camera(1002, CameraSettings()).f_stop == 4


def test_a_lens_on_a_small_sensor_is_one_on_full_frame(clip: Clip, tmp_path: Path) -> None:
    found = [sample(place, pinholeFocalLength=25.0) for place in range(4)]
    found[0]["static"] = {"camera": {"activeSensorPhysicalDimensions": {"width": 18.0, "height": 10.0}}}
    camera = read(tmp_path / "a.json", found, clip).camera(1004, CameraSettings())
    assert (camera.f_stop, camera.focal_length_mm) == (8, 50)
    asked = read(tmp_path / "a.json", found, clip).camera(1004, CameraSettings(f_stop=2, focal_length_mm=85))
    assert (asked.f_stop, asked.focal_length_mm) == (2, 85)


def test_what_a_sample_leaves_out_is_as_it_was(clip: Clip, tmp_path: Path) -> None:
    found = samples()
    del found[0]["lens"]["focusDistance"], found[2]["lens"]
    found[1]["lens"] = {"focusDistance": 3.0, "tStop": 2.8}
    track = read(tmp_path / "a.json", found, clip)
    assert [track.focus_m(number) for number in NUMBERS] == [3, 3, 3, 5]
    assert [track.samples[number].f_stop for number in NUMBERS] == [4, 2.8, 2.8, 4]


def test_samples_of_a_faster_tracker_belong_to_frames_by_time(clip: Clip, tmp_path: Path) -> None:
    found = []
    for place in range(20):
        at_s = 1718806554 + Fraction(place * 1001, 24000 * 5)
        stamp = {"seconds": int(at_s), "nanoseconds": int(at_s % 1 * 10**9)}
        found.append({"timing": {"sampleTimestamp": stamp}, "lens": {"focusDistance": 1.0 + place}})
    track = read(tmp_path / "a.json", found, clip)
    assert [track.focus_m(number) for number in NUMBERS] == [1, 6, 11, 16]
    assert not track.has_f_stops


def test_drop_frame_timecode_jumps_over_numbers_alone(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path / "s.%04d.png", [1, 2], 8)
    rate = {"num": 30000, "denom": 1001}
    found = [sample(0), sample(1)]
    for one, (minutes, seconds, frames) in zip(found, [(0, 59, 29), (1, 0, 2)], strict=True):
        code = {"hours": 0, "minutes": minutes, "seconds": seconds, "frames": frames}
        one["timing"] = {"timecode": code | {"frameRate": rate, "dropFrame": True}}
    with open_footage(pattern, InputSettings(frame_rate=Fraction(30000, 1001))) as clip:
        assert len(read(tmp_path / "a.json", found, clip).samples) == 2


@pytest.mark.parametrize(
    "timing",
    [
        {"sampleTimestamp": {"seconds": "1e99999999"}},
        {"sampleTimestamp": {"seconds": True}},
        {"timecode": {"hours": "1", "minutes": "2", "seconds": "3", "frames": "4", "frameRate": 10**9}},
        {"timecode": {"hours": [1], "minutes": [2], "seconds": [3], "frames": [4], "frameRate": 10**9}},
    ],
)
def test_a_text_in_the_place_of_a_time_neither_hangs_nor_fills_memory(
    tmp_path: Path, timing: dict[str, object]
) -> None:
    (tmp_path / "a.json").write_text(json.dumps([sample(0) | {"timing": timing}]))
    with pytest.raises(FocusError, match=naming("Sample 1", "time", "read")):
        read_lens_samples(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found[:3], "3 samples in 0.083 s"),
        (lambda found: found * 2, "order of time"),
        (lambda found: [{"lens": one["lens"]} for one in found[:3]], "3 samples without times"),
        (lambda found: [found[0], sample(40, 1), *[sample(41, 1)] * 2], "4 samples in 1.710 s"),
        (lambda found: [sample(0, "near"), *found[1:]], "Sample 1 .* no number above 0: 'near'"),
        (lambda found: [*found[:2], sample(2, 0), found[3]], "Sample 3"),
        (lambda found: [*found[:3], sample(3, 1, fStop=0.1)], "Sample 4 .*`f_stop`"),
        (lambda found: [{"lens": {}}] * 4, "no focus distance"),
        (lambda found: [*found[:3], 7], "Sample 4"),
    ],
)
def test_a_track_that_does_not_fit_is_refused(clip: Clip, tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(FocusError, match=said):
        read(tmp_path / "a.json", change(samples()), clip)


def test_tracks_of_our_own_are_read_elsewhere(clip: Clip, tmp_path: Path) -> None:
    for name, text in (
        ("a.csv", "time,focus\n0,0.5\n"),
        ("a.json", '[{"time": 0, "focus": 0.5}]'),
        ("b.json", "[{"),
    ):
        (tmp_path / name).write_text(text)
        assert open_lens_track(tmp_path / name, clip) is None
    assert open_lens_track(tmp_path / "none.json", clip) is None
    (tmp_path / "empty.json").touch()
    assert open_lens_track(tmp_path / "empty.json", clip) is None


def write_plates(folder: Path, numbers: list[int], **header: Any) -> Path:
    for number in numbers:
        channels = {name: np.zeros((4, 6), np.float16) for name in "RGB"}
        facts = {"type": OpenEXR.scanlineimage, "focus": float(number - 1000)} | header
        with OpenEXR.File(facts, channels) as file:
            file.write(str(folder / f"p.{number:04}.exr"))
    return folder / "p.####.exr"


def test_attributes_of_exr_belong_to_the_frame_of_their_number(clip: Clip, tmp_path: Path) -> None:
    track = open_lens_track(write_plates(tmp_path, [*NUMBERS, 1005], aperture=2.0), clip)
    assert track is not None
    assert [track.focus_m(number) for number in NUMBERS] == [1, 2, 3, 4]
    assert str(track).endswith("the focus is at 1 to 4 m, f/2")
    (tmp_path / "p.1003.exr").unlink()
    with pytest.raises(FocusError, match="lacks frames 1003"):
        open_lens_track(tmp_path / "p.####.exr", clip)


def test_attributes_belong_by_count_where_numbers_tell_nothing(clip: Clip, tmp_path: Path) -> None:
    track = open_lens_track(write_plates(tmp_path, [1, 2, 3, 4], focus=float("inf")), clip)
    assert track is not None and track.focus_m(1003) == 1e6
    with pytest.raises(FocusError, match="without attributes"):
        open_lens_track(tmp_path / "s.%04d.png", clip)
