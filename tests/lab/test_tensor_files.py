"""Files of tensors: whole or not there, readable as other files are, and nothing beside them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from any2bokeh.lab.tensor_files import write_tensors

KILLED_WITHIN = """
import os, signal, sys
from pathlib import Path
import torch
from any2bokeh.lab import tensor_files

def killed(tensors, path, metadata):
    (Path(path).parent / ".tmpAb3dEf").write_bytes(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)

tensor_files.save_file = killed
tensor_files.write_tensors(Path(sys.argv[1]), {"weight": torch.zeros(2)})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
def test_nothing_stays_of_a_write_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_tensors(path, {"weight": torch.ones(2)})
    ended = subprocess.run([sys.executable, "-c", KILLED_WITHIN, str(path)], timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert load_file(path)["weight"].tolist() == [1, 1]
    assert list(tmp_path.rglob(".tmp*"))  # the library's own, in a folder that is ours
    write_tensors(path, {"weight": torch.zeros(2)})
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
    assert load_file(path)["weight"].tolist() == [0, 0]


def test_whoever_may_read_other_files_may_read_these(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_tensors(tmp_path / "weights.safetensors", {"weight": torch.ones(2)})
    modes = {path.name: os.stat(path).st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["weights.safetensors"] == modes["other"]
