"""Encoders do not change how the processor is shared."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.decode import open_video
from any2bokeh.video.encode import open_writer
from any2bokeh.video.encoders import usable_encoders
from any2bokeh.video.priority import usual_priority

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="only Linux has such classes")


def policies() -> dict[int, int]:
    found = {}
    for thread in map(int, os.listdir("/proc/self/task")):
        with suppress(ProcessLookupError):  # it has just ended
            found[thread] = os.sched_getscheduler(thread)
    return found


@pytest.fixture
def idler() -> Iterator[threading.Thread]:
    """A thread that is there before, in a class of its own."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    os.sched_setscheduler(thread.native_id or 0, os.SCHED_BATCH, os.sched_param(0))
    yield thread
    ended.set()
    thread.join()


def test_all_threads_keep_their_class_and_new_ones_get_the_usual(idler: threading.Thread) -> None:
    before, ended = policies(), threading.Event()
    late = threading.Thread(target=ended.wait)
    try:
        with pytest.raises(ZeroDivisionError), usual_priority():
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # as SVT-AV1 does, but allowed to all
            os.sched_setscheduler(idler.native_id or 0, os.SCHED_OTHER, os.sched_param(0))
            late.start()  # in the class of the thread that starts it
            assert late.native_id and os.sched_getscheduler(late.native_id) == os.SCHED_BATCH
            _ = 1 / 0
        assert policies() == before | {late.native_id: os.SCHED_OTHER}
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        ended.set()
        late.join()


def test_asking_which_encoders_can_be_used_leaves_it(idler: threading.Thread) -> None:
    before = policies()
    assert "libsvtav1" in usable_encoders()
    assert set(policies().values()) == set(before.values())
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_writing_av1_leaves_it_from_the_first_frame_to_the_last(clips) -> None:
    source = clips.make("in.mkv")
    found = []
    with (
        open_video(source) as video,
        open_writer(
            source.with_name("out.mkv"), video.info, EncodeSettings(codec="av1", preset="12")
        ) as writer,
    ):
        for frame in video:
            writer.write(frame)
            found.append(set(policies().values()))
    assert len(found) > 1 and all(classes == {os.SCHED_OTHER} for classes in found)
    assert set(policies().values()) == {os.SCHED_OTHER}
