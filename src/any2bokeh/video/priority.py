"""The priority of this process while encoders are opened."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def usual_priority() -> Iterator[None]:
    """Leave every thread the priority that it has, and give new ones that of this thread.

    SVT-AV1, run by root, moves the thread that opens it and all its own into the real-time class, where they
    take the processor from every other program, and so does every thread started from then on.
    """
    if not hasattr(os, "sched_setscheduler") or not _THREADS.is_dir():  # only Linux has these classes
        yield
        return
    own, before = _class_of(0), {thread: _class_of(thread) for thread in _threads()}
    try:
        yield
    finally:
        for thread in _threads():
            wanted = before.get(thread, own)
            with suppress(OSError):  # it has ended, or may not be changed
                if _class_of(thread) != wanted:
                    policy, priority = wanted
                    os.sched_setscheduler(thread, policy, os.sched_param(priority))


def _threads() -> list[int]:
    return [int(entry.name) for entry in _THREADS.iterdir()]


def _class_of(thread: int) -> tuple[int, int]:
    """Policy and priority of a thread (0: the one that asks); the usual ones of one that has ended."""
    try:
        return os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority
    except OSError:
        return os.SCHED_OTHER, 0
