"""Which file becomes which."""

from dataclasses import replace
from pathlib import Path

import pytest
from facts import names, naming

from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.cli.jobs import make_jobs, read_streams
from any2bokeh.errors import VideoError
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.video_settings import EncodeSettings

SETTINGS = Settings(focus=FocusSettings(focus_disparity=0.5, blur_strength=8))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> list[str]:
    for path in map(Path, names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return list(names)


def targets(inputs: list[str], output: str | None = None, settings: Settings = SETTINGS) -> list[str]:
    return [str(job.target) for job in make_jobs(inputs, output, settings)]


def with_tracks(tracks: str) -> Settings:
    return replace(SETTINGS, depth=DepthSettings(track=Path(tracks)))


def test_result_stands_beside_the_input_by_default() -> None:
    assert targets(touch("films/a.b.mp4")) == ["films/a.b.refocus.mp4"]


def test_result_is_matroska_where_the_input_cannot_be_written_as_it_is() -> None:
    assert targets(touch("a.avi")) == ["a.refocus.mkv"]
    lossless = replace(SETTINGS, encode=EncodeSettings(lossless=True))
    assert targets(touch("b.mp4"), settings=lossless) == ["b.refocus.mkv"]


def test_one_input_and_a_name_is_a_file() -> None:
    assert targets(touch("a.mp4"), "sub/other.mkv") == ["sub/other.mkv"]


@pytest.mark.parametrize("output", ["new/", "here", "here/"])
def test_slash_or_existing_folder_is_a_folder(output: str) -> None:
    Path("here").mkdir()
    assert targets(touch("a.mov"), output) == [f"{output.rstrip('/')}/a.refocus.mov"]


def test_several_inputs_make_a_folder_of_any_name() -> None:
    assert targets(touch("a.mp4", "b.mov"), "out") == ["out/a.refocus.mp4", "out/b.refocus.mov"]


@pytest.mark.parametrize("output", ["out.mp4", "notes"])
def test_several_inputs_cannot_become_one_file(output: str) -> None:
    inputs = touch("a.mp4", "b.mp4")
    touch("notes")
    with pytest.raises(UsageError, match=naming(output)):
        make_jobs(inputs, output, SETTINGS)
    assert not Path("out.mp4").exists()


def test_folder_stands_for_its_videos_sorted_without_results_of_ours() -> None:
    touch("in/b.MP4", "in/a.mkv", "in/a.refocus.mkv", "in/a.disparity.mkv", "in/.b.1.part.mp4", "in/note.txt")
    touch("in/deeper/c.mp4", "in/a.refocus-2.mkv", "in/a.disparity.refocus-3.mkv")
    assert targets(["in"]) == ["in/a.refocus.mkv", "in/b.refocus.MP4"]


def test_folder_with_one_video_still_writes_to_a_folder() -> None:
    touch("in/a.mp4")
    with pytest.raises(UsageError, match=naming("out.mp4")):
        make_jobs(["in"], "out.mp4", SETTINGS)


def test_folder_without_videos_is_a_problem_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("empty/note.txt")
    problem, fine = make_jobs(["empty", *touch("a.mp4")], None, SETTINGS)
    with pytest.raises(VideoError, match=naming("empty", "no video")):
        problem.check()
    fine.check()
    Path("empty").joinpath("note.txt").unlink()
    monkeypatch.chdir("empty")
    assert make_jobs(["."], None, SETTINGS)[0].problem


def test_empty_name_is_not_the_folder_one_stands_in() -> None:
    touch("a.mp4")
    with pytest.raises(UsageError, match="empty"):
        make_jobs([""], None, SETTINGS)


def test_two_inputs_for_one_output_are_named_before_anything_starts() -> None:
    with pytest.raises(UsageError, match=naming("one file", "out/a.refocus.mp4")):
        make_jobs(touch("x/a.mp4", "y/a.mp4"), "out/", SETTINGS)


@pytest.mark.parametrize("output", ["a.mp4", "./x/../a.mp4", "link.mp4", "hard.mp4"])
def test_result_never_replaces_its_input(output: str) -> None:
    touch("a.mp4", "x/b.mp4")
    Path("link.mp4").symlink_to("a.mp4")
    Path("hard.mp4").hardlink_to("a.mp4")
    with pytest.raises(UsageError, match=naming("replace", Path(output))):
        make_jobs(["a.mp4"], output, SETTINGS)


def test_result_never_replaces_another_input_or_a_track() -> None:
    with pytest.raises(UsageError, match=naming("replace", "out/a.refocus.mp4")) as refusal:
        make_jobs(touch("a.mp4", "out/a.refocus.mp4"), "out", SETTINGS)
    assert refusal.value.hint.startswith("-o")
    touch("track.mkv")
    with pytest.raises(UsageError, match=naming("replace", "track.mkv")):
        make_jobs(["a.mp4"], "track.mkv", with_tracks("track.mkv"))


def test_pattern_that_takes_in_results_of_an_earlier_run_leaves_them_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = touch("a.coc.mkv", "a.disparity.mkv", "a.focus-matte.mkv", "a.mask.mkv", "a.mp4")
    found += touch("a.refocus.mp4", "a.refocus.refocus.mp4")
    found += touch("a.refocus-2.mp4", "b.refocus.mp4", "c.mask.mp4")
    assert targets(found) == ["a.refocus.mp4", "b.refocus.refocus.mp4", "c.mask.refocus.mp4"]
    lines = capsys.readouterr().err.splitlines()
    left_out = (
        ("a.coc.mkv", "result", "a.mp4"),
        ("a.disparity.mkv", "result", "a.mp4"),
        ("a.focus-matte.mkv", "result", "a.mp4"),
        ("a.mask.mkv", "mask", "a.mp4"),
        ("a.refocus.mp4", "result", "a.mp4"),
        ("a.refocus.refocus.mp4", "result", "a.refocus.mp4"),
        ("a.refocus-2.mp4", "result", "a.mp4"),
    )
    assert [line for line, facts in zip(lines, left_out, strict=True) if not names(line, *facts)] == []


def test_name_without_a_suffix_may_mean_a_folder_or_a_file() -> None:
    with pytest.raises(UsageError, match=naming("new", "folder")) as refusal:
        make_jobs(touch("a.mp4"), "new", SETTINGS)
    assert names(refusal.value.hint, "-o new/", "-o new.mkv")


def test_each_input_takes_its_own_track_from_a_folder() -> None:
    inputs = touch("a.mp4", "a2.mp4")
    touch("tracks/a.disparity.mkv", "tracks/a2.mkv")
    jobs = make_jobs(inputs, None, with_tracks("tracks"))
    assert [str(job.settings.depth.track) for job in jobs] == ["tracks/a.disparity.mkv", "tracks/a2.mkv"]


def test_tracks_may_lie_beside_the_inputs() -> None:
    touch("in/a.mp4", "in/a.disparity.mkv", "in/a.refocus.mp4")
    jobs = make_jobs(["in"], None, with_tracks("in"))
    assert [str(job.settings.depth.track) for job in jobs] == ["in/a.disparity.mkv"]


def track_of_one(tracks: str) -> str:
    [job] = make_jobs(touch("a.mp4"), None, with_tracks(tracks))
    job.check()
    return str(job.settings.depth.track)


def test_one_input_takes_a_folder_of_pngs_as_it_is() -> None:
    touch("pngs/0001.png", "stems/a.0001.png", "stems/a.0002.png", "one/a.png")
    assert [track_of_one(tracks) for tracks in ("pngs", "stems", "one")] == ["pngs", "stems", "one"]


def test_one_input_takes_its_track_from_a_folder_of_tracks_as_several_do() -> None:
    touch("tracks/a.mkv", "tracks/b.mkv", "beside/a.disparity.mkv", "beside/a.preview.png")
    assert track_of_one("tracks") == "tracks/a.mkv"
    assert track_of_one("beside") == "beside/a.disparity.mkv"


def test_folder_with_no_track_for_the_one_input_says_what_it_might_hold() -> None:
    touch("tracks/b.mkv")
    Path("a.mp4").touch()
    [job] = make_jobs(["a.mp4"], None, with_tracks("tracks"))
    assert job.problem
    assert names(job.problem.message, "tracks", "pictures", "disparity track", "a.*", "nothing")


@pytest.mark.parametrize(("tracks", "problem"), [("one.mkv", "share"), ("gone", "exist")])
def test_track_that_several_inputs_cannot_have(tracks: str, problem: str) -> None:
    inputs = touch("a.mp4", "b.mp4")
    touch("one.mkv")
    with pytest.raises(UsageError, match=naming(tracks, problem)):
        make_jobs(inputs, None, with_tracks(tracks))


@pytest.mark.parametrize(("tracks", "found"), [("none", "nothing"), ("two", "b.mkv, b.npy")])
def test_input_without_a_track_of_its_own_does_not_stop_the_others(tracks: str, found: str) -> None:
    inputs = touch("a.mp4", "b.mp4")
    touch(f"{tracks}/a.mkv", "two/b.mkv", "two/b.npy")
    fine, problem = make_jobs(inputs, None, with_tracks(tracks))
    assert (fine.problem, fine.settings.depth.track) == (None, Path(tracks, "a.mkv"))
    assert problem.problem
    assert names(problem.problem.message, tracks, "disparity track", "b.*", found)


def test_a_file_called_like_stdin_is_read_as_a_file() -> None:
    touch("./-")
    with read_streams(["./-"], None, SETTINGS) as inputs:
        assert inputs == ["./-"]
