"""Making parts: the whole way of a frame, as a run goes it, for some frames of a clip."""

import json
import platform
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from any2bokeh.closeable import Closeable
from any2bokeh.errors import WorkError
from any2bokeh.farm.part_store import PartRecord, PartStore
from any2bokeh.farm.parts import Part, plan_parts, runs_of
from any2bokeh.farm.prepared_clip import PreparedClip
from any2bokeh.farm.turns import made_once
from any2bokeh.farm.work_folder import FORMAT, Work, claim, fingerprint, flat, folder_name
from any2bokeh.optics.ocio_space import OcioSpace
from any2bokeh.progress import OnProgress, Progress, ignore
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.render.choose import choose_renderer
from any2bokeh.render.grain.grained import with_grain
from any2bokeh.run import SCENES_AHEAD, collect_layers
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.stored_settings import to_document
from any2bokeh.video.decode import NothingShownError
from any2bokeh.video.frame_names import PICTURE_SUFFIXES, sequence_name
from any2bokeh.video.intermediate import coded_format
from any2bokeh.video.prefetch import prefetch

# Settings that change no frame.
HARMLESS = ("depth.use_cache", "save_focus_track")

THREADS = "number of threads"  # is among the facts of a work in which networks compute


def plan_work(
    source: Path,
    target: Path,
    settings: Settings,
    folder: Path,
    shards: int = 1,
    on_progress: OnProgress = ignore,
) -> Work:
    """Make the work folder of a clip and plan its parts, or go on with the one that is there.

    ``folder`` holds a folder for each clip. Raises ``WorkError`` where it belongs to something else, and what
    opening the clip raises.
    """
    with planned_work(source, target, settings, folder, shards, on_progress) as (work, _):
        return work


@contextmanager
def planned_work(
    source: Path,
    target: Path,
    settings: Settings,
    folder: Path,
    shards: int = 1,
    on_progress: OnProgress = ignore,
) -> Iterator[tuple[Work, PreparedClip]]:
    """Plan the parts of a clip as ``plan_work`` does, and give the clip, still open, with the plan."""
    work = Work(
        folder=folder / folder_name(source),
        source=source,
        target=target,
        settings=settings,
        shards=shards,
        belongs_to={},
    )
    with PreparedClip(source, settings.clip, work.tracks, on_progress) as clip:
        work = replace(work, belongs_to=_belongs_to(work, clip))
        claim(work)

        def write(path: Path) -> None:
            parts = plan_parts(len(clip.times), clip.starts, shards)
            rows = [[part.first, part.stop, part.shard] for part in parts]
            path.write_text(json.dumps({"frames": len(clip.times), "parts": rows}), encoding="ascii")

        made_once(work.folder / "plan.json", write, "the plan")
        yield work, clip


def shards_of(
    source: Path, settings: Settings, tracks: Path, shards: int, on_progress: OnProgress = ignore
) -> list[Part]:
    """Return the parts that ``plan_work`` would plan; the list of shots is left in the folder ``tracks``."""
    with PreparedClip(source, settings.clip, tracks, on_progress) as clip:
        return plan_parts(len(clip.times), clip.starts, shards)


class PutBack(Iterator[Frame]):
    """Frames, of which the last one taken may be given back."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames, self._back = frames, list[Frame]()

    def __next__(self) -> Frame:
        return self._back.pop() if self._back else next(self._frames)

    def put_back(self, frame: Frame) -> None:
        """Let the next one be this one again."""
        self._back.append(frame)


class PartMaker(Closeable):
    """Makes parts of one work; it loads the renderer once."""

    def __init__(self, work: Work, clip: PreparedClip | None = None) -> None:
        """``clip`` is open already, of this process's plan; else it is opened, and closed with the maker.

        Raises ``WorkError`` where this machine or process would draw other frames than the work's.
        """
        self._work = work
        with ExitStack() as stack:
            if clip is None:
                clip = stack.enter_context(PreparedClip(work.source, work.settings.clip, work.tracks))
                claim(replace(work, belongs_to=_belongs_to(work, clip)))
            self._clip, self._store = clip, PartStore(work, clip.video)
            self._opened = stack.pop_all()

    @cached_property
    def _renderer(self) -> Renderer:
        settings, clip = self._work.settings, self._clip
        pictures = clip.info.pictures
        made = make_renderer(settings.render, clip.device, pictures, settings.focus.strongest)
        grained = with_grain(made, settings.render, clip.find_noise, pictures)
        renderer = self._opened.enter_context(closing(grained))
        # The same network in windows of another length, as of a GPU with less memory, draws other pictures.
        facts = {"renderer": renderer.name, "window": str(renderer.context(range(500, 501), 1000))}

        def write(path: Path) -> None:
            path.write_text(json.dumps(facts), encoding="ascii")

        path = made_once(self._work.tracks / "renderer.json", write, "the choice of the renderer")
        found = json.loads(path.read_text(encoding="ascii"))
        if found != facts:
            raise WorkError(
                f"The parts in {self._work.folder} are drawn by {found['renderer']} in windows that this"
                f" machine does not take ({renderer.name}): its memory differs.",
                hint="Make all parts on machines with as much memory.",
            )
        return renderer

    def missing(self, parts: Sequence[Part]) -> list[Part]:
        """Return the parts that are not there; those that are there are verified."""
        return [part for part in parts if self._store.verified(part) is None]

    def records(self, parts: Sequence[Part]) -> Generator[PartRecord]:
        """Yield the records of those of the parts that are there."""
        for part in parts:
            if record := self._store.recorded(part):
                yield record

    def make(self, parts: Sequence[Part]) -> Generator[PartRecord]:
        """Make those of the parts that are not there, in order, and yield the record of each.

        Of parts that follow each other, each frame is rendered once.
        """
        for run in runs_of(self.missing(parts)):
            yield from self._make_run(run)

    def close(self) -> None:
        """Let go of the renderer, and of the clip unless it was given."""
        self._opened.close()

    def _make_run(self, run: list[Part]) -> Iterator[PartRecord]:
        wanted = range(run[0].first, run[-1].stop)
        around = self._renderer.context(wanted, len(self._clip.times))
        self._clip.prepare(around)
        with closing(self._rendered(around)) as rendered:
            frames = PutBack(rendered)
            for part in run:
                yield self._make_part(part, frames)

    def _make_part(self, part: Part, frames: PutBack) -> PartRecord:
        """Take the frames of a part from those of a run, and keep them; frames before it are context."""
        clip, started_s, attempts = self._clip, time.monotonic(), self._work.begin(part)
        times = clip.times[part.first : part.stop]
        captions, has_captions = clip.video.beside_pictures.captions, False
        made: list[int] = []
        with self._store.writer(part, times) as writer:
            for frame in frames:
                if frame.pts > times[-1]:  # the last of this part cannot be decoded
                    frames.put_back(frame)
                    break
                has_captions |= captions.take(frame.pts) is not None
                if frame.pts < times[0]:
                    continue
                writer.write(frame)
                made.append(frame.pts)
                clip.on_progress(Progress("render", part.first + len(made), len(clip.times)))
                if frame.pts == times[-1]:
                    break
        record = PartRecord(
            number=part.number,
            shard=part.shard,
            first=part.first,
            stop=part.stop,
            times=made,
            digest=self._store.digest(part),
            file_bytes=self._store.file_bytes(part),
            has_captions=has_captions,
            corrupt_packets=clip.corrupt_packets,
            renderer=self._renderer.name,
            seconds=round(time.monotonic() - started_s, 3),
            attempts=attempts,
            device=_device(clip.device),
            host=platform.node(),
            version=version_here(),
        )
        self._store.record(record, part)
        return record

    def _rendered(self, around: range) -> Generator[Frame]:
        """The frames of some scenes, with their layers; none where nothing can be decoded."""
        settings = self._work.settings
        layers = collect_layers(self._clip, settings.encode.aovs, settings.render)

        def noted(scenes: Iterator[Scene]) -> Iterator[Scene]:
            with suppress(NothingShownError):
                for scene in scenes:
                    yield layers.note(scene)

        with prefetch(self._clip.scenes_of(around), SCENES_AHEAD) as scenes:
            for frame in self._renderer.render(noted(scenes)):
                yield replace(frame, layers=layers.layers_at(frame.pts))


def _belongs_to(work: Work, clip: PreparedClip) -> dict[str, Any]:
    """All that decides the frames of a clip."""
    settings, info = work.settings, clip.info
    if work.target.suffix.lower() in PICTURE_SUFFIXES:
        result = f"pictures {work.target.suffix.lower()}"
    else:
        result = f"video {coded_format(work.target, info, settings.encode).encoder.pixel_format}"
    name = choose_renderer(settings.render, clip.device, info.pictures, settings.focus.strongest)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "version": version_here(),
        "source": work.folder.name,
        "source content": fingerprint(work.source),
        "number of shards": work.shards,
        "result": result,
        "renderer": name,
        "device": _device(clip.device),
    }
    if name != "lens" or settings.depth.track is None:  # networks, whose sums depend on who adds them up
        facts |= {
            "processor": torch.backends.cpu.get_cpu_capability(),
            THREADS: torch.get_num_threads(),
            "version of torch": str(torch.__version__),
        }
    if isinstance(info.curve, OcioSpace):
        read = [_named_file(path) for path in info.curve.files]
        facts["color configuration"] = ", ".join(read) or info.curve.config_name
    said = flat(to_document(settings, _named_file))
    return facts | {f"setting {key}": value for key, value in said.items() if key not in HARMLESS}


def _named_file(path: Path) -> str:
    """A file that is read, by its content."""
    is_there = path.exists() or sequence_name(path) is not None
    return f"{path.name} {fingerprint(path)}" if is_there else path.name


def _device(device: torch.device) -> str:
    return f"{device.type} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def version_here() -> str:
    """Return the version of the package."""
    try:
        return metadata.version("any2bokeh")
    except metadata.PackageNotFoundError:  # run from its source folder, without being installed
        return "unknown"
