"""Shards of a clip, made one by one and joined, are the frames of one run, bit for bit."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from facts import naming

from any2bokeh.errors import WorkError
from any2bokeh.farm.join import join_parts
from any2bokeh.farm.part_maker import PartMaker, plan_work
from any2bokeh.farm.prepared_clip import PreparedClip
from any2bokeh.farm.whole_run import make_shard, refocus_in_parts, resume_folder
from any2bokeh.farm.work_folder import Work, read_work
from any2bokeh.run import refocus
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings, Key, Point
from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings, RenderSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import EncodeSettings, TimeRange
from any2bokeh.settings.work_settings import ShardNumber

Hashes = Callable[[Path], list[tuple[int, str]]]

LENS = RenderSettings(renderer="lens", device="cpu")
LOSSLESS = EncodeSettings(lossless=True)
HELD = FocusSettings(focus_disparity=0.5, blur_strength=80)


def frame(number: int) -> TimePoint:
    return TimePoint(frame=number)


def settings_for(track: Path | None = None, focus: FocusSettings = HELD, **others: Any) -> Settings:
    depth = others.pop("depth", None) or DepthSettings(track=track, model="compact", size=96)
    return Settings(**({"render": LENS, "encode": LOSSLESS} | others), focus=focus, depth=depth)


def in_shards(source: Path, target: Path, settings: Settings, folder: Path, count: int) -> Work:
    """Make the shards in an order of their own; the last is made twice."""
    for number in [*range(count, 0, -1), count]:
        work = make_shard(source, target, settings, folder, ShardNumber(number, count))
    return work


def check_equal(source: Path, settings: Settings, hashes: Hashes, counts: tuple[int, ...]) -> None:
    one = source.with_name("one.mkv")
    refocus(source, one, replace(settings, depth=replace(settings.depth, use_cache=False)))
    for count in counts:
        target = source.with_name(f"joined-{count}.mkv")
        work = in_shards(source, target, settings, source.with_name("work"), count)
        result = join_parts(read_work(work.folder))
        assert result.frames == len(hashes(one))
        assert hashes(target) == hashes(one)
        assert not source.with_name("work").exists()


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
def test_the_small_network(film: Path, track: Path, hashes: Hashes) -> None:
    render = RenderSettings(
        renderer="small", device="cpu", dtype="float32", diffusion=DiffusionSettings(work_size=128)
    )
    check_equal(film, settings_for(track, render=render), hashes, (3,))


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
    refocus_in_parts(film, target, settings, on_part=lambda record, parts: told.append(record.number))
    assert told == list(range(len(told)))  # none twice
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
