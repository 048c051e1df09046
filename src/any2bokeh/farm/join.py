"""Parts into the result: one encode of all frames, and everything else copied from the source, once."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from any2bokeh.atomic import check_target, partial_file
from any2bokeh.errors import VideoError, WorkError
from any2bokeh.farm.part_maker import version_here
from any2bokeh.farm.part_store import PartRecord, PartStore
from any2bokeh.farm.prepared_clip import PreparedClip
from any2bokeh.farm.work_folder import Work, fingerprint
from any2bokeh.focus.track_files import write_focus
from any2bokeh.progress import OnProgress, Progress, ignore
from any2bokeh.run import Result, exported
from any2bokeh.video.captions import BesidePictures
from any2bokeh.video.encode import as_written
from any2bokeh.video.export_files import Exports, open_exports
from any2bokeh.video.frame_names import export_targets
from any2bokeh.video.intermediate import coded_format, made_frames
from any2bokeh.video.mux import MadeFrame, Muxer
from any2bokeh.video.sequence_writer import ExistingFrames, plan_pictures


def join_parts(
    work: Work,
    target: Path | None = None,
    on_progress: OnProgress = ignore,
    *,
    overwrite: bool = False,
    keep_work: bool = False,
) -> Result:
    """Put the parts of a work together to ``target``, by default the one that was named at the start.

    The result is that of a run without parts, and so are its sound, subtitles, chapters and tags, which are
    copied from the source. The work folder goes when the result is complete, unless ``keep_work``.

    Raises ``WorkError`` where parts are missing, ``VideoError`` if the result cannot be written.
    """
    target = target or work.target
    _check_work(work)
    with PreparedClip(work.source, work.settings.clip, work.tracks) as clip:
        store = PartStore(work, clip.video)
        records = _all_records(work, store)
        if work.settings.save_focus_track:
            check_target(work.settings.save_focus_track, overwrite=overwrite)

        def written(frames: int) -> None:
            on_progress(Progress("join", frames, len(clip.times)))

        join = _Join(work, clip, store, records, target)
        with join.exports(overwrite=overwrite) as exports:
            if store.holds_pictures:
                join.place_pictures(overwrite=overwrite)
                join.export(exports)
            else:
                join.export(exports)  # first, so that all appear at about one time
                for done in join.encode(overwrite=overwrite):
                    written(done)
        if work.settings.save_focus_track:
            path = work.settings.save_focus_track
            write_focus(path, clip.focus, clip.video.seconds, overwrite=overwrite)
        result = Result(
            target=target,
            frames=sum(record.frames for record in records),
            renderer=records[0].renderer,
            corrupt_packets=max(record.corrupt_packets for record in records),
            focus=clip.focus.disparity_range,
            k=clip.focus.strength_range,
            focus_m=clip.focus.meters_range,
            exports=export_targets(target, work.settings.encode.exports),
        )
        clip.keep_disparity()
    if not keep_work:
        remove_work(work)
    return result


def remove_work(work: Work) -> None:
    """Remove the folder of a clip, and the work folder around it if nothing else is in it."""
    shutil.rmtree(work.folder, ignore_errors=True)
    with suppress(OSError):
        work.folder.parent.rmdir()


class _Join:
    def __init__(
        self, work: Work, clip: PreparedClip, store: PartStore, records: list[PartRecord], target: Path
    ) -> None:
        self._work, self._clip, self._store = work, clip, store
        self._records, self._target = records, target

    def exports(self, *, overwrite: bool) -> AbstractContextManager[Exports]:
        """Open the files beside the result; pictures of a join that was stopped are replaced."""
        existing = ExistingFrames(overwrite=overwrite or self._has_begun.exists())
        return open_exports(self._target, self._clip.video, self._work.settings.encode, existing)

    def export(self, exports: Exports) -> None:
        """Write all exports, from the scenes, which are read once more."""
        if exports:
            every = range(len(self._clip.times))
            self._clip.prepare(every)
            scenes, align_edges = self._clip.scenes_of(every), self._work.settings.render.align_edges
            for _ in exported(scenes, exports, self._clip.info.pictures, align_edges=align_edges):
                pass

    @property
    def _has_begun(self) -> Path:
        """A file that says that pictures under the names of the result are those of this work."""
        return self._work.folder / "joining"

    def encode(self, *, overwrite: bool) -> Iterator[int]:
        """Encode all frames; yields how many are done."""
        settings, info, clip = self._work.settings.encode, self._clip.info, self._clip.video
        self._check_format()
        if self._target.exists() and self._target.samefile(info.path):
            raise VideoError(f"{self._target} is the source: choose another name.")
        with ExitStack() as stack:
            partial = stack.enter_context(partial_file(self._target, overwrite=overwrite))
            beside = clip.beside_pictures
            written = as_written(info, settings)
            muxer = Muxer(partial, self._target, written, settings, clip.span, beside)
            stack.callback(muxer.close)
            for done, frame in enumerate(self._frames(beside), start=1):
                muxer.encode(frame)
                yield done
            muxer.finish()

    def _frames(self, beside: BesidePictures) -> Iterator[MadeFrame]:
        """All frames; where the source holds captions, it is decoded once more for them."""
        with ExitStack() as stack:
            source = None
            if any(record.has_captions for record in self._records):
                source = iter(stack.enter_context(self._clip.video.frames()))
            read = None
            for part, record in zip(self._work.parts, self._records, strict=True):
                for frame in made_frames(self._store.path(part), record.times):
                    while source is not None and (read is None or read < frame.pts):
                        read = next(source).pts
                    yield frame

    def _check_format(self) -> None:
        info, settings = self._clip.info, self._work.settings.encode
        kept, wanted = (coded_format(one, info, settings) for one in (self._work.target, self._target))
        if kept.encoder.pixel_format != wanted.encoder.pixel_format:
            raise WorkError(
                f"The parts in {self._work.folder} are made for {kept.encoder.pixel_format}, and"
                f" {self._target} would be {wanted.encoder.pixel_format}.",
                hint=f"Join to a {self._work.target.suffix} file, or make the parts anew with that `target`.",
            )

    def place_pictures(self, *, overwrite: bool) -> None:
        """Give each picture its name in the result; a join that was stopped goes on."""
        work, target, times = self._work, self._target, self._clip.times
        if target.suffix.lower() != work.target.suffix.lower():
            raise WorkError(
                f"The parts in {work.folder} are {work.target.suffix} pictures, not {target.suffix}.",
                hint="Name a result of that kind.",
            )
        existing = ExistingFrames(overwrite=overwrite or self._has_begun.exists())
        paths, _ = plan_pictures(target, self._clip.info, times, work.settings.encode.start_number, existing)
        self._has_begun.touch()
        for part, record in zip(work.parts, self._records, strict=True):
            for pts in record.times:
                with partial_file(paths[pts], overwrite=True) as partial:
                    _link_or_copy(self._store.picture(part, pts), partial)


def _link_or_copy(source: Path, target: Path) -> None:
    """Let ``target`` be another name of a file, or a copy of it where names end at a border of disks."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except (OSError, AttributeError):
        shutil.copyfile(source, target)


def _check_work(work: Work) -> None:
    made_by, content = work.belongs_to.get("version"), work.belongs_to.get("source content")
    if made_by != version_here():
        raise WorkError(
            f"The work folder {work.folder} belongs to version {made_by}, and this is {version_here()}.",
            hint="Join with the version that made the parts.",
        )
    if not work.source.exists() and not work.source.parent.is_dir():
        raise WorkError(f"{work.source}, the source of {work.folder}, is not here: its sound is copied.")
    if content != fingerprint(work.source):
        raise WorkError(f"{work.source} changed since the parts in {work.folder} were made.")


def _all_records(work: Work, store: PartStore) -> list[PartRecord]:
    records = [(part, store.recorded(part)) for part in work.parts]
    missing = [part for part, record in records if record is None]
    if missing:
        shards = sorted({part.shard for part in missing})
        named = ", ".join(f"{shard}/{work.shards}" for shard in shards[:8])
        raise WorkError(
            f"{len(missing)} of the {len(records)} parts of {work.source} are missing in {work.folder}:"
            f" those of shard {named}{', ...' if len(shards) > 8 else ''}.",
            hint=f"Make them first: `shard={named.split(',')[0]}`.",
        )
    return [record for _, record in records if record is not None]
