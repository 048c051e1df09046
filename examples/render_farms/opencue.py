"""Submits a plan to OpenCue: a layer with a frame for each shard, and one that joins them.

    pip install opencue-pyoutline
    bokeh plan in.mp4 --subject 960,540 --k 16 -o out.mp4 --shards 16 --work work --commands > plan.txt
    python opencue.py plan.txt SHOW SHOT

Clip, work folder and result have the same paths on every host. CUEBOT_HOSTS names the server, as in all of
OpenCue's tools. A shard that fails may be retried: doing it twice is harmless.
"""

import getpass
import sys
from pathlib import Path

import outline.cuerun
from outline.modules.shell import ShellSequence


def make_job(plan: str, show: str, shot: str) -> outline.Outline:
    """Return the job of a plan's lines: those with --shard side by side, then the rest."""
    lines = plan.splitlines()
    shards = [line for line in lines if " --shard " in line]
    joins = [line for line in lines if " --shard " not in line]
    job = outline.Outline("refocus", shot=shot, show=show, user=getpass.getuser())
    shard_layer = ShellSequence("shards", commands=shards)
    join_layer = ShellSequence("join", commands=joins)
    join_layer.depend_all(shard_layer)
    job.add_layer(shard_layer)
    job.add_layer(join_layer)
    return job


if __name__ == "__main__":
    outline.cuerun.launch(make_job(Path(sys.argv[1]).read_text(), *sys.argv[2:4]), use_pycuerun=False)
