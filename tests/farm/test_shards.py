"""Shards of a clip, made one by one and joined, are the frames of one run, bit for bit."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from facts import naming
from shards import HELD, LENS, Hashes, check_equal, frame, in_shards, settings_for
from torch import Tensor

from any2bokeh.depth.cache import drop_track
from any2bokeh.depth.stabilization import TrackStabilizer
from any2bokeh.errors import WorkError
from any2bokeh.farm import prepared_clip
from any2bokeh.farm.join import join_parts
from any2bokeh.farm.part_maker import PartMaker, plan_work
from any2bokeh.farm.prepared_clip import PreparedClip
from any2bokeh.farm.whole_run import make_shard, refocus_in_parts, resume_folder
from any2bokeh.farm.work_folder import read_work
from any2bokeh.run import refocus
from any2bokeh.scene import Frame
from any2bokeh.session import ClipSession
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings, Key, Point
from any2bokeh.settings.render_settings import LensSettings
from any2bokeh.settings.video_settings import EncodeSettings, InputSettings, TimeRange
from any2bokeh.settings.work_settings import ShardNumber


@pytest.mark.slow
@pytest.mark.parametrize("quality", ["standard", "best"])
def test_the_lens_with_a_given_track(film: Path, track: Path, hashes: Hashes, quality: Any) -> None:
    render = replace(LENS, lens=LensSettings(quality=quality))
    check_equal(film, settings_for(track, render=render), hashes, (1, 5) if quality == "best" else (2, 30))


@pytest.mark.slow
def test_estimated_disparity_is_made_shot_by_shot(film: Path, hashes: Hashes) -> None:
    settings = settings_for(depth=DepthSettings(model="compact", size=96, use_cache=False))
    check_equal(film, settings, hashes, (3,))
    work = plan_work(film, film.with_name("out.mkv"), settings, film.with_name("work"), 3)
    with PreparedClip(film, settings.clip, work.tracks) as clip:
        assert clip.starts == [0, 9, 20]
    assert next(part.first for part in work.parts if part.shard > 1) == 9  # cut where a shot starts
    with PartMaker(work) as maker:
        list(maker.make([part for part in work.parts if part.shard == 3]))
    made = sorted(path.name for path in work.tracks.glob("disparity-*.mkv"))
    assert made == ["disparity-0000020.mkv"] or made == ["disparity-0000009.mkv", "disparity-0000020.mkv"]


@pytest.mark.slow
def test_disparity_that_was_made_by_shots_is_in_the_cache_as_that_of_one_run(
    film: Path, tmp_path: Path
) -> None:
    settings = settings_for(depth=DepthSettings(model="compact", size=96))
    join_parts(in_shards(film, tmp_path / "two.mkv", settings, tmp_path / "work", 2))
    with ClipSession(film, settings.clip) as clip:
        kept = clip.estimate.cached()
    assert kept and len(kept.index.times) == 26
    drop_track(kept.path)
    refocus(film, tmp_path / "one.mkv", settings)
    with ClipSession(film, settings.clip) as clip:
        alone = clip.estimate.cached()
    assert alone and alone.index == kept.index and alone.content_hash == kept.content_hash


@pytest.mark.slow
def test_disparity_of_a_film_stays_out_of_the_cache(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_clip, "MOST_KEPT_BYTES", 1000)
    settings = settings_for(depth=DepthSettings(model="compact", size=96))
    join_parts(in_shards(film, tmp_path / "two.mkv", settings, tmp_path / "work", 2))
    with ClipSession(film, settings.clip) as clip:
        assert clip.estimate.cached() is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "focus",
    [
        FocusSettings(follow=Point(20, 25), blur_strength=80),
        FocusSettings(
            focus_disparity=(Key(frame(0), 0.1), Key(frame(12), Point(5, 5)), Key(frame(20), 0.9)),
            blur_strength=(Key(frame(0), 0.0), Key(frame(25), 80.0)),
        ),
    ],
    ids=["follow", "pull"],
)
def test_a_focus_that_is_found_in_the_picture(film: Path, hashes: Hashes, focus: FocusSettings) -> None:
    check_equal(film, settings_for(focus=focus), hashes, (3,))


@pytest.mark.slow
def test_a_held_subject(film: Path, track: Path, mask: Path, hashes: Hashes) -> None:
    focus = FocusSettings(focus_mask=mask, blur_strength=80)
    check_equal(film, settings_for(track, focus), hashes, (3,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "depth", [{"steady": True}, {"kind": "depth"}, {"kind": "inverted"}], ids=lambda depth: str(depth)
)
def test_a_track_that_needs_more_than_its_frame(
    film: Path, track: Path, hashes: Hashes, depth: dict[str, Any]
) -> None:
    settings = settings_for(depth=DepthSettings(track=track, **depth))
    part = TimeRange(start=frame(3), end=frame(24))
    check_equal(film, replace(settings, time_range=part), hashes, (4,))


@pytest.mark.slow
def test_a_track_is_stabilized_in_one_pass(
    film: Path, track: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    stabilize = TrackStabilizer.stabilize_frame

    def counted(self: TrackStabilizer, disparity: Tensor, frame: Frame) -> Tensor:
        seen.append(frame.pts)
        return stabilize(self, disparity, frame)

    monkeypatch.setattr(TrackStabilizer, "stabilize_frame", counted)
    settings = settings_for(depth=DepthSettings(track=track, steady=True))
    in_shards(film, tmp_path / "out.mkv", settings, tmp_path / "work", 3)
    assert len(seen) == len(set(seen)) == 26


@pytest.mark.slow
def test_sound_is_copied_and_the_encoder_gets_the_codes_of_one_run(
    film: Path, track: Path, tmp_path: Path
) -> None:
    settings = settings_for(track, encode=EncodeSettings(codec="ffv1", pixel_format="yuv444p10le"))
    one, target = tmp_path / "one.mkv", tmp_path / "two.mkv"
    refocus(film, one, settings)
    join_parts(in_shards(film, target, settings, tmp_path / "work", 2))
    found = []
    for path in (one, target):
        with av.open(str(path)) as container:
            packets = [(packet.stream.type, packet.pts, bytes(packet)) for packet in container.demux()]
        found.append(sorted(packets, key=lambda packet: (packet[0], packet[1] or 0)))
    assert found[0] == found[1]


@pytest.mark.slow
def test_pictures_are_made_final(film: Path, track: Path, tmp_path: Path) -> None:
    settings = settings_for(track, encode=EncodeSettings())
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, target = tmp_path / "one" / "a.%04d.png", tmp_path / "two" / "a.%04d.png"
    refocus(film, one, settings)
    join_parts(in_shards(film, target, settings, tmp_path / "work", 3))
    pictures = sorted(path.name for path in one.parent.iterdir())
    assert len(pictures) == 26
    assert pictures == sorted(path.name for path in target.parent.iterdir())
    assert all((one.parent / name).read_bytes() == (target.parent / name).read_bytes() for name in pictures)


def test_a_work_folder_is_for_one_run(film: Path, track: Path, tmp_path: Path) -> None:
    target, folder, settings = tmp_path / "out.mkv", tmp_path / "work", settings_for(track)
    plan_work(film, target, settings, folder, 2)
    with pytest.raises(WorkError, match=naming("number of shards", 2, 3)):
        plan_work(film, target, settings, folder, 3)
    stronger = replace(settings, focus=replace(HELD, blur_strength=81))
    with pytest.raises(WorkError, match=naming("blur_strength", 80, 81)):
        plan_work(film, target, stronger, folder, 2)
    before = track.read_bytes(), track.stat()
    np.save(track, 1 - np.load(track))
    with pytest.raises(WorkError, match=naming("track.npy")):
        plan_work(film, target, settings, folder, 2)
    track.write_bytes(before[0])
    os.utime(track, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    plan_work(film, target, settings, folder, 2)
    with film.open("ab") as file:
        file.write(b"more")
    with pytest.raises(WorkError, match=naming("source content")):
        plan_work(film, target, settings, folder, 2)


@pytest.mark.slow
def test_a_part_that_is_there_is_verified_and_not_made_again(
    film: Path, track: Path, tmp_path: Path, hashes: Hashes, caplog: pytest.LogCaptureFixture
) -> None:
    target, settings = tmp_path / "out.mkv", settings_for(track)
    work = plan_work(film, target, settings, tmp_path / "work", 1)
    with PartMaker(work) as maker:
        made = list(maker.make(work.parts))
    assert [record.attempts for record in made] == [1] * len(work.parts)
    file = work.parts_folder / f"{work.parts[2].name}.mkv"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with PartMaker(work) as maker:
        again = list(maker.make(work.parts))
    assert [(record.number, record.attempts) for record in again] == [(2, 2)]
    assert "damaged" in caplog.text
    one = tmp_path / "one.mkv"
    refocus(film, one, settings)
    join_parts(work)
    assert hashes(target) == hashes(one)


def test_what_is_missing_is_named(film: Path, track: Path, tmp_path: Path) -> None:
    settings, folder = settings_for(track), tmp_path / "work"
    work = make_shard(film, tmp_path / "out.mkv", settings, folder, ShardNumber(1, 3))
    with pytest.raises(WorkError, match=naming("2/3", "3/3")):
        join_parts(work)
    assert not (tmp_path / "out.mkv").exists()


class Killed(BaseException):
    """As a signal."""


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(film: Path, track: Path, tmp_path: Path, hashes: Hashes) -> None:
    target, settings, told = tmp_path / "out.mkv", settings_for(track), []

    def stop_after_two(record: Any, parts: int) -> None:
        told.append(record.number)
        if len(told) == 2:
            raise Killed

    with pytest.raises(Killed):
        refocus_in_parts(film, target, settings, on_part=stop_after_two)
    assert resume_folder(target).is_dir() and not target.exists()
    left: list[int] = []

    def note(record: Any, parts: int) -> None:
        told.append(record.number)
        left.append(parts)

    refocus_in_parts(film, target, settings, on_part=note)
    assert told == list(range(len(told)))  # none twice
    assert left == [len(told) - 2] * (len(told) - 2)
    one = tmp_path / "one.mkv"
    refocus(film, one, settings)
    assert hashes(target) == hashes(one)
    assert not resume_folder(target).exists()


@pytest.mark.slow
def test_processes_make_the_frames_of_one(film: Path, track: Path, tmp_path: Path, hashes: Hashes) -> None:
    target, settings, numbers = tmp_path / "out.mkv", settings_for(track), []
    refocus_in_parts(
        film, target, settings, workers=2, on_part=lambda record, parts: numbers.append(record.number)
    )
    assert sorted(numbers) == list(range(len(numbers))) and numbers
    one = tmp_path / "one.mkv"
    refocus(film, one, settings)
    assert hashes(target) == hashes(one)


def test_the_work_says_all_of_its_run(film: Path, track: Path, tmp_path: Path) -> None:
    settings = settings_for(track, FocusSettings(focus_at=Point(3, 4, frame(2)), blur_strength=8))
    work = plan_work(film, tmp_path / "out.mkv", settings, tmp_path / "work", 2)
    assert read_work(work.folder).settings == settings
    document = json.loads((work.folder / "work.json").read_text())
    assert document["belongs_to"]["device"] == "cpu"


CONFIGURATION = """ocio_profile_version: 2
search_path: tables
roles: {default: light, scene_linear: light}
file_rules:
  - !<Rule> {name: Default, colorspace: default}
displays:
  screen:
    - !<View> {name: Raw, colorspace: light}
colorspaces:
  - !<ColorSpace> {name: light}
  - !<ColorSpace>
    name: camera
    to_scene_reference: !<FileTransform> {src: curve.spi1d, interpolation: linear}
"""
TABLE = "Version 1\nFrom 0.0 1.0\nLength 2\nComponents 1\n{{\n0.0\n{white}\n}}\n"


def test_a_color_configuration_is_known_by_its_content(film: Path, track: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyOpenColorIO")
    config, table = tmp_path / "studio.ocio", tmp_path / "tables" / "curve.spi1d"
    table.parent.mkdir()
    config.write_text(CONFIGURATION)
    table.write_text(TABLE.format(white=0.9))
    times = {path: path.stat() for path in (config, table)}
    color = InputSettings(ocio=str(config), input_space="camera")
    settings = replace(settings_for(track), input=color)
    plan_work(film, tmp_path / "out.mkv", settings, tmp_path / "work", 2)
    plan_work(film, tmp_path / "out.mkv", settings, tmp_path / "work", 2)
    for changed, text in ((table, TABLE.format(white=0.8)), (config, CONFIGURATION + "# another\n")):
        before = changed.read_text()
        changed.write_text(text)
        with pytest.raises(WorkError, match=naming("color configuration")):
            plan_work(film, tmp_path / "out.mkv", settings, tmp_path / "work", 2)
        changed.write_text(before)
        os.utime(changed, ns=(times[changed].st_atime_ns, times[changed].st_mtime_ns))
    plan_work(film, tmp_path / "out.mkv", settings, tmp_path / "work", 2)
