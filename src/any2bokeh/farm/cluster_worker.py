"""One process of a cluster that works on clips; it keeps the last clip open, with its networks loaded."""

import hashlib
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import torch

import any2bokeh
from any2bokeh.farm.join import join_parts
from any2bokeh.farm.part_maker import PartMaker, plan_work, version_here
from any2bokeh.farm.part_store import PartRecord
from any2bokeh.farm.parts import Part
from any2bokeh.farm.work_folder import Work, folder_name, read_work
from any2bokeh.run import Result
from any2bokeh.settings.run_settings import Settings


class ClusterWorker:
    """The requests to one process. Its errors are ours; errors of Ray tell of a lost process or node."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self._work: Work | None = None
        self._maker: PartMaker | None = None

    def software(self) -> dict[str, str]:
        """Return the versions that must agree on all nodes, so that they draw the same pictures."""
        return software()

    def host(self) -> str:
        """Return the name of the machine."""
        return platform.node()

    def sees(self, mark: Path, text: str) -> bool:
        """Say whether the file ``mark`` that another machine wrote is here, with that text in it."""
        with suppress(OSError):
            return mark.read_text(encoding="ascii") == text
        return False

    def plan(self, source: Path, target: Path, settings: Settings, folder: Path, shards: int) -> Work:
        """Open a clip and plan its parts; see ``plan_work``. A plan that was begun keeps its own shards."""
        known = folder / folder_name(source)
        if (known / "work.json").exists():
            shards = read_work(known).shards
        return plan_work(source, target, settings, folder, shards)

    def make(self, work: Work, parts: Sequence[Part]) -> Iterator[PartRecord]:
        """Make those of the parts that are not there, and yield the record of each; see ``PartMaker``.

        At the end come the records of all: of those too whose maker was lost before it could tell.
        """
        if self._work is None or self._work.folder != work.folder or self._maker is None:
            self.let_go()
            self._work, self._maker = work, PartMaker(work)
        # Both are generators, into which Ray sends values.
        yield from self._maker.make(parts)
        yield from self._maker.records(parts)

    def join(self, work: Work, *, overwrite: bool, keep_work: bool) -> Result:
        """Write the result of finished parts; see ``join_parts``."""
        self.let_go()
        return join_parts(work, overwrite=overwrite, keep_work=keep_work)

    def let_go(self) -> None:
        """Close the clip that is open."""
        if self._maker is not None:
            self._maker.close()
        self._work = self._maker = None


def software() -> dict[str, str]:
    """Return the versions of the libraries that draw, and a digest of this package's source."""
    digest = hashlib.sha256()
    root = Path(any2bokeh.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)} ".encode() + path.read_bytes())
    return {
        "any2bokeh": f"{version_here()} (source {digest.hexdigest()[:12]})",
        "Python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": metadata.version("numpy"),
        "numba": metadata.version("numba"),
        "PyAV": metadata.version("av"),
        "processor": os.environ.get("NUMBA_CPU_NAME", torch.backends.cpu.get_cpu_capability()),
    }
