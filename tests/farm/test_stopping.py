"""SIGTERM, by which farms stop jobs: a run in parts ends soon with 143, and leaves a whole work folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from films import write_clip, write_track
from shards import Hashes

from any2bokeh.cli import main
from any2bokeh.farm.part_maker import PartMaker
from any2bokeh.farm.work_folder import Work, read_work, work_folders

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="processes are ended in another way"),
]

FRAMES, PARTS = 450, 5
# Far more than the 10 s that farms give, on a machine that does much else: a hang is told from slowness.
HANG_S = 120


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """How a clip of a few parts is refocused, which takes a while."""
    folder = tmp_path_factory.mktemp("film")
    clip = write_clip(folder / "clip.mkv", frames=FRAMES)
    track = write_track(folder / "track.mkv", frames=FRAMES)
    lens = ("--focus", "0.5", "--k", "128", "--renderer", "lens", "--device", "cpu", "--lossless")
    return ["refocus", clip, "--disparity", track, *lens]


@pytest.fixture(scope="module")
def whole(command: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run gives that nobody stops."""
    target = tmp_path_factory.mktemp("whole") / "one.mkv"
    run_here(*command, "-o", target)
    return target


def start(*arguments: object) -> "subprocess.Popen[str]":
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(process: "subprocess.Popen[str]", part: int) -> None:
    assert process.stderr
    while f": part {part} of" not in (line := process.stderr.readline()):
        assert line, process.communicate()


def run_here(*arguments: object) -> None:
    assert main([str(one) for one in arguments]) == 0


def is_anybody_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def parts_there(work: Work) -> list[int]:
    """The numbers of the parts that are there, each of which is whole."""
    with PartMaker(work) as maker:
        recorded = [record.number for record in maker.records(work.parts)]
        missing = {part.number for part in maker.missing(work.parts)}
    assert not missing & set(recorded)
    return recorded


@pytest.mark.parametrize(
    ("how", "whom"),
    [
        (["--resume"], "the process"),
        (["--workers", "2"], "the process"),
        (["--workers", "2"], "all its processes"),
        (["--shard", "1/1"], "all its processes"),
    ],
    ids=["one run", "two workers", "two workers and their parent", "a shard"],
)
def test_a_run_in_parts_ends_with_143_and_goes_on_later(
    command: list[object], whole: Path, how: list[str], whom: str, tmp_path: Path, hashes: Hashes
) -> None:
    out, work = tmp_path / "out.mkv", tmp_path / "work"
    is_shard = "--shard" in how
    run = [*command, *how, "--work", work, *([] if is_shard else ["-o", out])]
    process = start(*run, "--progress", "plain")
    wait_until(process, part=2)
    os.kill(process.pid, signal.SIGTERM) if whom == "the process" else os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=HANG_S)
    assert process.returncode == signal.SIGTERM + 128, err
    assert err.endswith("Stopped: Terminated\n") and "Error" not in err
    ends_s = time.monotonic() + HANG_S
    while is_anybody_left(process.pid) and time.monotonic() < ends_s:
        time.sleep(0.05)
    assert not is_anybody_left(process.pid)
    assert not out.exists()
    assert not list(work.rglob(".*"))  # half a file
    (folder,) = work_folders(work)
    assert 2 <= len(parts_there(read_work(folder))) < PARTS
    run_here(*run)
    if is_shard:
        assert parts_there(read_work(folder)) == list(range(PARTS))
        run_here("join", work, "-o", out)
    assert hashes(out) == hashes(whole)


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell the children of a process")
def test_a_worker_that_does_not_answer_is_ended_and_its_half_files_go(
    command: list[object], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    process = start(*command, "--workers", "2", "--work", work, "-o", tmp_path / "out.mkv")
    while not (halves := list(work.rglob("parts/.bokeh-*"))):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(int(halves[0].name.split("-")[2]), signal.SIGSTOP)
    process.terminate()
    process.communicate(timeout=HANG_S)
    assert process.returncode == signal.SIGTERM + 128
    assert not list(work.rglob(".*"))
