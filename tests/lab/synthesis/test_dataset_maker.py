import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from facts import naming

from any2bokeh.device import choose_device
from any2bokeh.errors import DatasetError
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.lab.synthesis.dataset_card import command_line
from any2bokeh.lab.synthesis.dataset_maker import Synthesis, synthesize
from any2bokeh.settings.synthesis_settings import PictureSize, SynthesisSettings

pytestmark = pytest.mark.slow

SETTINGS = SynthesisSettings(
    clips=3, size=PictureSize(48, 27), frames=3, versions=3, samples=16, seed=8, scenes="mixed"
)


def make(folder: Path, settings: SynthesisSettings = SETTINGS, jobs: int = 1) -> Synthesis:
    return synthesize(folder, settings, jobs, lambda done, total: None)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "set"
    make(folder)
    return folder


def test_a_data_set_holds_what_was_asked_for(made: Path) -> None:
    dataset = open_dataset(made)
    assert [clip.name for clip in dataset.clips] == ["000000", "000001", "000002"]
    for clip in dataset.clips:
        assert (clip.width, clip.height, clip.frames) == (48, 27, 3)
        assert sorted(setting.kind for setting in clip.settings) == ["blur-ramp", "fixed", "focus-ramp"]
        objects = clip.objects_map()
        assert objects.max() <= len(clip.description.objects)
        fixed = next(setting for setting in clip.settings if setting.kind == "fixed")
        assert clip.focus_mask(fixed)[1].any()
        assert fixed.blur_strength[0] in (12, 16, 20, 24, 28)
        assert clip.sharp().std() > 0.02
        assert (clip.refocused(fixed) - clip.sharp()).abs().mean() < 0.2
    assert json.loads((made / "dataset.json").read_text())["seed"] == 8


def test_the_same_seed_gives_the_same_files_whatever_the_processes(made: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    synthesize(tmp_path / "set", SETTINGS, 2, lambda done, total: seen.append(done))
    assert seen == [0, 1, 2, 3]
    assert hashes(tmp_path / "set") == hashes(made)


@pytest.mark.parametrize("change", [{"seed": 9}, {"split": "test"}])
def test_another_seed_or_split_gives_other_scenes(
    made: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    make(tmp_path, replace(SETTINGS, clips=1, **change))
    (clip,) = open_dataset(tmp_path).clips
    assert (clip.sharp() - open_dataset(made).clips[0].sharp()).abs().mean() > 0.02


def test_complete_clips_are_kept_and_missing_ones_made(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make(folder, replace(SETTINGS, clips=1))
    kept = (folder / "clips" / "000000" / "sharp.mkv").stat().st_mtime_ns
    (folder / "clips" / ".000001.77.part").mkdir()
    assert make(folder) == Synthesis(made=2, complete=3)
    assert (folder / "clips" / "000000" / "sharp.mkv").stat().st_mtime_ns == kept
    assert hashes(folder) == hashes(made)
    assert make(folder) == Synthesis(made=0, complete=3)


@pytest.mark.skipif(choose_device("auto").type != "cpu", reason="another device is faster here")
def test_where_a_cpu_is_all_there_is_auto_is_the_compiled_tracer(made: Path, tmp_path: Path) -> None:
    make(tmp_path, replace(SETTINGS, clips=1, device="auto"))
    assert hashes(tmp_path / "clips" / "000000") == hashes(made / "clips" / "000000")


def test_asking_for_fewer_clips_keeps_those_that_are_there(made: Path) -> None:
    before = hashes(made)
    assert make(made, replace(SETTINGS, clips=1)) == Synthesis(made=0, complete=3)
    assert hashes(made) == before


def test_wrong_material_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="absent"):
        make(tmp_path / "set", replace(SETTINGS, foregrounds=tmp_path / "absent"))
    assert not (tmp_path / "set").exists()


def test_going_on_with_other_options_is_refused(made: Path) -> None:
    with pytest.raises(DatasetError, match=naming("samples", 16, 32)):
        make(made, replace(SETTINGS, samples=32))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DatasetError, match=naming(tmp_path)):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_card_counts_and_names_the_command(made: Path) -> None:
    card = (made / "README.md").read_text()
    assert "| clips | 3, " in card
    assert "| frames | 9 of 48x27, 3 per clip |" in card
    assert "| refocused versions | 9, 3 blur-ramp, 3 fixed, 3 focus-ramp |" in card
    assert "| seed | 8 |" in card
    assert command_line(SETTINGS, "set") in card
    assert sum(int(line.split("|")[2]) for line in card.splitlines() if " to " in line and "|" in line) == 27


def test_the_command_of_the_card_gives_the_settings(made: Path) -> None:
    settings = replace(SETTINGS, blur_strengths=(4, 8.5), motion_blur="mixed")
    assert command_line(settings, "set") == (
        "bokeh synthesize set --clips 3 --scenes mixed --size 48x27 --frames 3 --versions 3"
        " --k 4,8.5 --motion-blur mixed --samples 16 --seed 8"
    )


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are listed in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_workers_start_ends_all_without_a_traceback(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    options = ["--clips", "6", "--size", "64x36", "--frames", "8", "--samples", "64", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, "synthesize", str(tmp_path / "set"), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        wait_for(lambda: len(children.read_text().split()) >= 2)  # one looks after what they share
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == code, err
    assert "Traceback" not in err and "Error" not in err, err
    wait_for(lambda: not is_group_running(process.pid))


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_after_a_kill_nothing_half_written_is_seen_and_the_same_command_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "synthesize", str(folder), "--clips", "6"]
    command += ["--size", "64x36", "--frames", "8", "--versions", "1", "--samples", "64", "--jobs", "2"]
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    clips = folder / "clips"
    try:
        wait_for(lambda: list(clips.glob("0*")) and list(clips.glob(".*.part")))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    for clip in open_dataset(folder).clips:
        assert len(clip.sharp()) == 8
    wait_for(lambda: not is_group_running(process.pid))  # those left alone may still complete a clip each
    complete = open_dataset(folder).clips
    assert 1 <= len(complete) < 6
    settings = SynthesisSettings(clips=6, size=PictureSize(64, 36), frames=8, versions=1, samples=64)
    assert make(folder, settings) == Synthesis(made=6 - len(complete), complete=6)
    assert sorted(path.name for path in clips.iterdir()) == [f"{i:06d}" for i in range(6)]


def is_group_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
