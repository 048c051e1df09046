import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import torch
from facts import names, naming

from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.decode import open_video, probe_video
from any2bokeh.video.encode import open_writer

FAST = EncodeSettings(preset="ultrafast")
PASS_THROUGH = """
    import sys
    import time
    from pathlib import Path
    from any2bokeh.settings.run_settings import EncodeSettings
    from any2bokeh.video.decode import open_video, probe_video
    from any2bokeh.video.encode import open_writer

    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    with open_writer(target, probe_video(source), EncodeSettings(lossless=True)) as writer:
        with open_video(source) as video:
            for number, frame in enumerate(video):
                writer.write(frame)
                if number == 5:
                    print("writing", flush=True)
                    time.sleep(PAUSE_S)
"""


def pass_through(source: Path, target: Path, *, before: str = "", after: str = "", pause_s: int = 0):
    """Start a program that passes ``source`` through reader and writer, and pauses in the middle."""
    code = f"PAUSE_S = {pause_s}\n{before}\n{textwrap.dedent(PASS_THROUGH)}\n{after}"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(source), str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def file_size_limit(limit: int) -> str:
    return f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(clips, target, *facts, overwrite=False):
    source = clips.folder / "clip.mp4"
    with (
        pytest.raises(VideoError, match=naming(target, *facts)) as refusal,
        open_writer(target, probe_video(source), FAST, overwrite=overwrite),
    ):
        pytest.fail("the block must not start")
    return refusal.value


class TestTargets:
    @pytest.fixture(autouse=True)
    def source(self, clips):
        return clips.make("clip.mp4")

    def test_an_existing_file_is_left_alone(self, clips):
        target = clips.folder / "out.mp4"
        target.write_text("mine")
        refusal = refuse(clips, target, "exists")
        assert "`overwrite=True`" in refusal.hint
        assert target.read_text() == "mine"

    def test_an_existing_file_is_replaced_when_asked(self, clips, source):
        target = clips.folder / "out.mp4"
        target.write_text("mine")
        info = probe_video(source)
        with open_writer(target, info, FAST, overwrite=True) as writer, open_video(source) as video:
            for frame in video:
                writer.write(frame)
                assert target.read_text() == "mine"  # until the new file is complete
        assert len(clips.see(target).frames) == 10
        assert files(clips.folder) == ["clip.mp4", "out.mp4"]

    def test_an_existing_file_survives_a_failure(self, clips, source):
        target = clips.folder / "out.mp4"
        target.write_text("mine")
        with pytest.raises(ZeroDivisionError), open_writer(target, probe_video(source), FAST, overwrite=True):
            raise ZeroDivisionError
        assert target.read_text() == "mine"

    @pytest.mark.parametrize("overwrite", [True, False])
    def test_the_source_is_never_the_target(self, clips, source, overwrite):
        link = clips.folder / "link.mp4"
        link.symlink_to(source)
        before = source.read_bytes()
        for target in (source, link, clips.folder / "." / "clip.mp4"):
            refuse(clips, target, "source", overwrite=overwrite)
        assert source.read_bytes() == before

    def test_a_folder_that_does_not_exist(self, clips):
        refuse(clips, clips.folder / "nowhere" / "out.mp4", "folder", "exist")

    def test_a_file_in_the_place_of_a_folder(self, clips):
        refuse(clips, clips.folder / "clip.mp4" / "out.mp4", "written")

    def test_a_folder_in_the_place_of_the_file(self, clips):
        (clips.folder / "out.mp4").mkdir()
        refuse(clips, clips.folder / "out.mp4", "a folder")

    @pytest.mark.parametrize("name", ["out", "out.avi", "out.gif", "out.jpg"])
    def test_kinds_of_file_that_are_not_written(self, clips, name):
        refusal = refuse(clips, clips.folder / name, ".mp4", ".mkv", ".mov")
        assert refusal.hint == "`target=out.mkv`"


class TestInterruption:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
    def test_whatever_ends_the_block_nothing_is_left(self, clips, error):
        source = clips.make("clip.mp4")
        with pytest.raises(error), open_writer(clips.folder / "out.mp4", probe_video(source), FAST) as writer:
            writer.write(Frame(picture=torch.zeros(3, 48, 64), pts=0))
            assert any(name.startswith(".bokeh-") for name in files(clips.folder))
            raise error
        assert files(clips.folder) == ["clip.mp4"]
        assert not [thread for thread in threading.enumerate() if thread.name == "encode"]

    @pytest.mark.slow
    def test_stopping_does_not_wait_for_all_that_was_handed_over(self, clips):
        source = clips.make("clip.mp4", size=(1280, 720), pts=(0, 512))
        slow = EncodeSettings(preset="placebo")
        start = time.monotonic()
        with (
            pytest.raises(KeyboardInterrupt),
            open_writer(clips.folder / "out.mp4", probe_video(source), slow) as writer,
        ):
            for index in range(30):
                writer.write(Frame(picture=torch.rand(3, 720, 1280), pts=512 * index))
            handed_over = time.monotonic() - start
            raise KeyboardInterrupt
        assert time.monotonic() - start < 3 * handed_over + 5
        assert files(clips.folder) == ["clip.mp4"]

    def test_a_failure_is_raised_where_frames_are_handed_over(self, clips):
        source = clips.make("clip.mp4")
        with (
            pytest.raises(VideoError, match=naming("out.mkv", "written")),
            open_writer(
                clips.folder / "out.mkv", probe_video(source), EncodeSettings(lossless=True)
            ) as writer,
        ):
            for index in range(50):  # time runs backwards, which no file can hold
                writer.write(Frame(picture=torch.zeros(3, 48, 64), pts=-512 * index))
            pytest.fail("a failed writer takes no more frames")
        assert files(clips.folder) == ["clip.mp4"]

    @pytest.mark.slow
    def test_ctrl_c_leaves_nothing(self, clips):
        source = clips.make("clip.mkv", codec="ffv1")
        process = pass_through(source, clips.folder / "out.mkv", pause_s=60)
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "KeyboardInterrupt" in errors
        assert files(clips.folder) == ["clip.mkv"]

    @pytest.mark.slow
    def test_kill_leaves_nothing_under_the_final_name(self, clips):
        source = clips.make("clip.mkv", codec="ffv1")
        process = pass_through(source, clips.folder / "out.mkv", pause_s=60)
        assert process.stdout.readline() == "writing\n"
        process.kill()
        process.communicate(timeout=60)
        assert "out.mkv" not in files(clips.folder)
        assert all(name.startswith(".bokeh-") for name in files(clips.folder) if name != "clip.mkv")

    @pytest.mark.slow
    @pytest.mark.parametrize("limit", [0, 20_000])
    def test_a_full_disk_is_said_in_a_sentence(self, clips, limit):
        source = clips.make("clip.mkv", codec="ffv1", size=(160, 120), pts=tuple(range(0, 512 * 40, 512)))
        process = pass_through(source, clips.folder / "out.mkv", before=file_size_limit(limit))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert names(errors.splitlines()[-1], clips.folder / "out.mkv", "disk", "full")
        assert files(clips.folder) == ["clip.mkv"]

    @pytest.mark.slow
    def test_a_disk_that_is_full_at_the_very_end(self, clips):
        source = clips.make("clip.mkv", codec="ffv1", sound=("pcm_s16le",))
        size = clips.copy(source, "whole.mkv", lossless=True).stat().st_size
        process = pass_through(source, clips.folder / "out.mkv", before=file_size_limit(size - 10))
        _, errors = process.communicate(timeout=60)
        assert names(errors.splitlines()[-1], clips.folder / "out.mkv", "disk", "full")
        assert files(clips.folder) == ["clip.mkv", "whole.mkv"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(clips):
    peak = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    peaks_mb = []
    for frames in (20, 120):  # a frame of float R'G'B' is 0.9 MB here
        source = clips.make(
            f"{frames}.mkv",
            size=(320, 240),
            options={"preset": "ultrafast"},
            sound=("flac",),
            sound_s=frames / 25,
            pts=tuple(range(0, 512 * frames, 512)),
        )
        process = pass_through(source, clips.folder / f"out{frames}.mkv", after=peak)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        peaks_mb.append(int(output.split()[-1]))
    assert peaks_mb[1] - peaks_mb[0] < 30
