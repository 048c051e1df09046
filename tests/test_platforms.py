"""The package on systems without POSIX-only features: importing any module needs none of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from any2bokeh.lab.synthesis import dataset_maker
from any2bokeh.render.diffusion.memory import ASSUMED_BYTES, device_memory
from any2bokeh.video.encoders import usable_encoders

# Third-party packages have Windows versions of their own: they are imported first, as this system has them.
# Then everything that Windows lacks goes, and all modules of ours are imported anew.
PROGRAM = """
import importlib, importlib.abc, os, pkgutil, signal, sys

import any2bokeh

def names():
    yield "any2bokeh"
    for module in pkgutil.walk_packages(any2bokeh.__path__, "any2bokeh."):
        if not module.name.endswith("__main__"):
            yield module.name

modules = list(names())
for name in modules:
    importlib.import_module(name)
for name in modules:
    del sys.modules[name]

POSIX_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
for name in POSIX_MODULES:
    sys.modules[name] = None
for name in dir(os):
    if name.startswith(("sched_", "SCHED_", "posix_", "wait", "spawn")) or name in GONE:
        delattr(os, name)
for name in dir(signal):
    kept = ("SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV", "SIG_DFL", "SIG_IGN")
    if (name.startswith("SIG") and name not in kept) or name in ("pthread_sigmask", "pthread_kill", "alarm"):
        delattr(signal, name)

sys.platform = PLATFORM
for name in modules:
    importlib.import_module(name)
print(len(modules))
"""
GONE = (
    *("fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgid", "getppid"),
    *(
        "setuid",
        "setgid",
        "setsid",
        "chown",
        "lchown",
        "nice",
        "getpriority",
        "setpriority",
        "mkfifo",
        "uname",
    ),
    *("sysconf", "statvfs", "getloadavg", "killpg", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_DIRECTORY"),
)


@pytest.mark.parametrize("platform", ["win32", "darwin"])
@pytest.mark.slow
def test_every_module_imports_without_what_only_posix_has(platform: str) -> None:
    program = PROGRAM.replace("GONE", repr(GONE)).replace("PLATFORM", repr(platform))
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 150


@pytest.mark.slow
def test_video_needs_pyav_and_arrays_alone() -> None:
    program = """
import importlib, pkgutil, sys
import any2bokeh.video

for module in pkgutil.walk_packages(any2bokeh.video.__path__, "any2bokeh.video."):
    importlib.import_module(module.name)
print(sorted({name.split(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""
    others = (
        *("cv2", "PIL", "diffusers", "transformers", "huggingface_hub", "safetensors", "accelerate"),
        *("scenedetect", "matplotlib", "typer", "click", "filelock", "tomlkit"),
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *others], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout == "[]\n"


def without_scheduler(patch: pytest.MonkeyPatch) -> None:
    for name in ("sched_setscheduler", "sched_getscheduler", "SCHED_OTHER"):
        patch.delattr(os, name)


def without_proc(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("any2bokeh.video.priority._THREADS", Path("/nowhere"))


@pytest.mark.parametrize("lacking", [without_scheduler, without_proc])
def test_encoders_open_where_threads_have_no_classes(
    monkeypatch: pytest.MonkeyPatch, lacking: Callable[[pytest.MonkeyPatch], None]
) -> None:
    set_class = getattr(os, "sched_setscheduler", None)
    usual = (os.SCHED_OTHER, os.sched_param(0)) if set_class else ()
    lacking(monkeypatch)
    try:
        assert usable_encoders()["libx264"]
    finally:  # SVT-AV1, run by root, has changed this thread's class, and nothing put it back
        if set_class:
            set_class(0, *usual)


def test_memory_is_assumed_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert device_memory(torch.device("cpu")) == ASSUMED_BYTES


def test_workers_start_where_signals_cannot_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.delattr(signal, "pthread_sigmask")
    with dataset_maker._interrupts_held():
        assert signal.getsignal(signal.SIGINT) == before
