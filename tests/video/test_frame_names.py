"""Numbered pictures by their names."""

from pathlib import Path

import pytest

from any2bokeh.errors import SettingsError, VideoError
from any2bokeh.settings.values import frame_ranges, parse_frames
from any2bokeh.settings.video_settings import InputSettings
from any2bokeh.video.frame_names import (
    PICTURE_SUFFIXES,
    clip_title,
    export_target,
    find_frames,
    numbered_name,
    sequence_name,
    sequences_of,
    with_title,
)
from any2bokeh.video.pictures.picture_files import KINDS


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_names_and_readers_know_the_same_pictures() -> None:
    assert set(PICTURE_SUFFIXES) == set(KINDS)


@pytest.mark.parametrize("pattern", ["shot.%04d.png", "shot.####.png", "shot.[1001-1003].png"])
def test_a_pattern_finds_its_pictures_in_order_of_number(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "shot.1003.png", "shot.1001.png", "shot.1002.png", "shot.0001b.png", "shot.1001.tif")
    frames = find_frames(tmp_path / pattern, InputSettings())
    assert frames.numbers == [1001, 1002, 1003]
    assert [path.name for path in frames.paths.values()] == [f"shot.{n}.png" for n in (1001, 1002, 1003)]


def test_a_number_may_be_longer_than_its_padding_but_not_shorter(tmp_path: Path) -> None:
    touch(tmp_path, "a.99.png", "a.100.png", "a.7.png", "a.0101.png")
    name = numbered_name(tmp_path / "a.%02d.png")
    assert name is not None
    numbers = {path.name: name.number_of(path) for path in tmp_path.iterdir()}
    assert numbers == {"a.99.png": 99, "a.100.png": 100, "a.7.png": None, "a.0101.png": None}


def test_a_dash_before_the_number_is_no_minus(tmp_path: Path) -> None:
    touch(tmp_path, "take-2-0001.png", "take-2-0002.png")
    (name,) = sequences_of(tmp_path.iterdir())
    assert (name.before, name.digits) == ("take-2-", 4)
    assert find_frames(tmp_path, InputSettings()).numbers == [1, 2]


def test_a_folder_of_several_sequences_lists_them(tmp_path: Path) -> None:
    touch(tmp_path, "a.0001.png", "b.0001.tif")
    with pytest.raises(VideoError, match=r"a\.%04d\.png.*b\.%04d\.tif"):
        find_frames(tmp_path, InputSettings())


def test_missing_frames_are_named_held_or_left_out(tmp_path: Path) -> None:
    touch(tmp_path, *(f"s.{n:04d}.png" for n in (1, 2, 5, 6)))
    pattern = tmp_path / "s.%04d.png"
    with pytest.raises(VideoError, match="3-4"):
        find_frames(pattern, InputSettings())
    assert find_frames(pattern, InputSettings(missing="skip")).numbers == [1, 2, 5, 6]
    held = find_frames(pattern, InputSettings(missing="hold"))
    assert held.numbers == [1, 2, 3, 4, 5, 6]
    assert held.paths[4].name == "s.0002.png"
    first_is_missing = find_frames(pattern, InputSettings(missing="hold", frames="4-5"))
    assert {path.name for path in first_is_missing.paths.values()} == {"s.0005.png"}


@pytest.mark.parametrize("missing", ["error", "hold", "skip"])
def test_frames_of_which_none_is_there_are_an_error(tmp_path: Path, missing: str) -> None:
    touch(tmp_path, "s.0001.png")
    with pytest.raises(VideoError, match="8-9"):
        find_frames(tmp_path / "s.%04d.png", InputSettings(frames="8-9", missing=missing))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("5", [5]), ("3-5", [3, 4, 5]), ("1001-1100x50", [1001, 1051]), ("7, 1-2,2", [1, 2, 7])],
)
def test_lists_of_frames(text: str, numbers: list[int]) -> None:
    assert parse_frames(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "5-3", "1-9x0", "1-", "-3", "1-99999999999"])
def test_what_is_no_list_of_frames_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_frames(text)


def test_ranges_are_told_and_cut_short() -> None:
    assert frame_ranges([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert frame_ranges(range(0, 100, 2)).endswith("14, ...")


def test_results_are_called_after_the_clip(tmp_path: Path) -> None:
    touch(tmp_path, "plate_v2_0001.png", "plate_v2_0002.png")
    name = sequence_name(tmp_path)
    assert name is not None and name.title == "plate_v2"
    assert clip_title(tmp_path / "plate_v2_%04d.png") == (tmp_path, "plate_v2")
    assert clip_title(tmp_path / "plate_v2_0001.png") == (tmp_path, "plate_v2_0001")
    assert clip_title(tmp_path) == (tmp_path.parent, tmp_path.name)
    assert with_title(name, tmp_path / "out", "p").path(12) == tmp_path / "out" / "p.0012.png"


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "odd#1.png")
    assert find_frames(tmp_path / "odd#1.png", InputSettings()).name is None


def test_numbers_alone_are_called_after_their_folder(tmp_path: Path) -> None:
    (tmp_path / "reel").mkdir()
    touch(tmp_path / "reel", "0001.png")
    name = sequence_name(tmp_path / "reel")
    assert name is not None and name.title == "reel"


@pytest.mark.parametrize("last", ["20261130154500", "999999999999999999"])
def test_pictures_that_are_named_by_the_date_are_no_sequence_full_of_holes(tmp_path: Path, last: str) -> None:
    """Which would be a list of billions of numbers."""
    touch(tmp_path, "shot-20261130.png", f"shot-{last}.png")
    for path in (tmp_path, tmp_path / "shot-[1-999999999999].png"):
        with pytest.raises(VideoError, match="more than 1000000 frames"):
            find_frames(path, InputSettings())
    found = find_frames(tmp_path, InputSettings(missing="skip"))
    assert found.numbers == [20261130, int(last)]


@pytest.mark.parametrize("name", ["a.%099999999999d.png", f"a.[1-{'9' * 100}].png", f"a.%0{'9' * 200}d.png"])
def test_a_pattern_of_endless_numbers_is_none(tmp_path: Path, name: str) -> None:
    assert numbered_name(tmp_path / name) is None


def test_a_number_that_no_clock_counts_is_cut(tmp_path: Path) -> None:
    touch(tmp_path, f"a{'9' * 60}.png")
    assert len(find_frames(tmp_path, InputSettings()).numbers) == 1


@pytest.mark.parametrize(
    "text", ["0-999999,1000000", ",".join(f"{n}000000-{n}999999" for n in range(1, 300))]
)
def test_frames_are_at_most_a_million_in_all(text: str) -> None:
    with pytest.raises(SettingsError, match="frames") as told:
        parse_frames(text)
    assert len(told.value.message) < 300


@pytest.mark.parametrize(
    ("result", "export"),
    [
        ("in/clip.refocus.mp4", "in/clip.coc.mkv"),
        ("in/take.2.mov", "in/take.2.coc.mkv"),
        ("in/photo.refocus.jpg", "in/photo.coc.png"),
        ("in/photo.EXR", "in/photo.coc.EXR"),
        ("in/shot.refocus/shot.refocus.%04d.exr", "in/shot.coc/shot.coc.%04d.exr"),
        ("in/shot_####.dpx", "in/shot.coc.%04d.png"),
        ("in/shot.[0998-1100].tif", "in/shot.coc.[0998-1100].tif"),
    ],
)
def test_exports_are_called_after_the_result(result: str, export: str) -> None:
    assert export_target(Path(result), "coc") == Path(export)
