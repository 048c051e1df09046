"""Carries out a Dockerfile's steps without Docker: python image.py DOCKERFILE STAGE CONTEXT ROOM.

Each stage gets the folder ROOM/NAME for its root, where its WORKDIR, COPY, ENV, ARG and RUN lines are done
with this machine's Python in place of the base image's. Fails where a step fails, or where its kind is
unknown here. The base image itself is not tried.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One FROM and what follows it: its root folder, the folder that it works in, and its environment."""

    root: Path
    folder: str = "/"
    environment: dict[str, str] = field(default_factory=dict)

    def place(self, path: str) -> Path:
        """Return where a path of the image lies on this machine."""
        return self.root / os.path.join(self.folder, path).lstrip("/")


def main() -> None:
    """Carry out the stage named, and those that it starts from or copies from."""
    dockerfile, wanted, context, room = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    stages: dict[str, Stage] = {}
    stage = None
    for name, value in steps(dockerfile.read_text()):
        if name == "FROM":
            if stage and list(stages)[-1] == wanted:
                break
            base, _, alias = value.partition(" AS ")
            stage = stages[alias] = Stage(room / alias)
            assert base.startswith("python:3.") or base in stages, f"another base: {base}"
            stage.root.mkdir(parents=True)
        else:
            assert stage, f"{name} before FROM"
            carry_out(name, value, stage, stages, context)
    assert wanted in stages, f"{dockerfile} has no stage {wanted}"


def steps(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, comments left out and continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines()]


def carry_out(name: str, value: str, stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    """Do one step."""
    if name == "WORKDIR":
        stage.folder = value
        stage.place(".").mkdir(parents=True, exist_ok=True)
    elif name in ("ENV", "ARG"):
        stage.environment |= {key: text for key, text in (part.split("=", 1) for part in shlex.split(value))}
    elif name == "COPY":
        copy(shlex.split(value), stage, stages, context)
    elif name == "RUN":
        assert not re.search(r"(^|\s)/\w", value), f"RUN names an absolute path: {value}"
        own = {key: stage.environment[key] for key in stage.environment if key != "PATH"}
        subprocess.run(["bash", "-ec", value], cwd=stage.place("."), env=os.environ | own, check=True)
    else:
        assert name == "ENTRYPOINT", f"{name} is unknown here"


def copy(words: list[str], stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    """Copy a file or a folder of the context, without what .dockerignore names, or of another stage."""
    if origin := re.fullmatch("--from=(.+)", words[0]):
        source, ignored = stages[origin[1]].place(words[1]), []
    else:
        source = context / words[0]
        ignored = [line.split("/")[-1] for line in (context / ".dockerignore").read_text().split()]
    target = stage.place(words[-1])
    if source.is_file():
        shutil.copy(source, target)
    else:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*ignored), dirs_exist_ok=True)


if __name__ == "__main__":
    main()
