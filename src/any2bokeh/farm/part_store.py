"""Finished parts in a work folder: written, recorded, verified and read again.

A part of a video is one file, in the codes that the final encoder is given; one of pictures is a folder of
the final pictures. It counts as there when its record stands beside it, which is written last.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from any2bokeh.atomic import partial_file, partial_folder
from any2bokeh.documents import parse_json
from any2bokeh.farm.parts import Part
from any2bokeh.farm.work_folder import Work
from any2bokeh.video.clip import Clip
from any2bokeh.video.encode import VideoWriter, finishing, shown_transfer
from any2bokeh.video.frame_names import PICTURE_SUFFIXES
from any2bokeh.video.intermediate import CodedFrames, coded_format
from any2bokeh.video.sequence_writer import picture_sink

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """A finished part: the time stamps of its frames, the digest and size of its files, how it was made."""

    number: int
    shard: int
    first: int
    stop: int
    times: list[int]
    digest: str
    file_bytes: int
    has_captions: bool
    corrupt_packets: int
    renderer: str
    seconds: float
    attempts: int
    device: str
    host: str
    version: str

    @property
    def frames(self) -> int:
        """How many frames were rendered."""
        return len(self.times)


class PartStore:
    """The parts of one work, as files."""

    def __init__(self, work: Work, clip: Clip) -> None:
        self._work, self._clip = work, clip
        self.holds_pictures = work.target.suffix.lower() in PICTURE_SUFFIXES

    def path(self, part: Part) -> Path:
        """Return where the frames of a part are, or will be: a file, or a folder of pictures."""
        return self._work.parts_folder / f"{part.name}{'' if self.holds_pictures else '.mkv'}"

    def picture(self, part: Part, pts: int) -> Path:
        """Return the picture of a frame, in a work whose result is pictures."""
        return self.path(part) / f"{pts}{self._work.target.suffix}"

    @contextmanager
    def writer(self, part: Part, times: list[int]) -> Iterator[VideoWriter]:
        """Write a part, which is there when the block has ended well; ``times`` are those of its frames."""
        settings, target, info = self._work.settings.encode, self._work.target, self._clip.info
        path = self.path(part)
        path.parent.mkdir(exist_ok=True)
        if self.holds_pictures:
            with partial_folder(path, overwrite=True) as partial:
                paths = {pts: partial / f"{pts}{target.suffix}" for pts in times}
                pictures, transfer = picture_sink(paths, target, self._clip, settings)
                with finishing(VideoWriter(pictures, info, transfer=transfer)) as writer:
                    yield writer
            return
        with partial_file(path, overwrite=True) as partial:
            codes = CodedFrames(partial, info, settings, coded_format(target, info, settings))
            transfer = shown_transfer(info, settings)
            with finishing(VideoWriter(codes, info, transfer=transfer)) as writer:
                yield writer

    def record(self, record: PartRecord, part: Part) -> None:
        """Say that a part is there."""
        with partial_file(self._record_path(part), overwrite=True) as partial:
            partial.write_text(json.dumps(asdict(record)), encoding="utf-8")

    def recorded(self, part: Part) -> PartRecord | None:
        """Return the record of a part, if it is there; its files are not looked at."""
        return _read_record(self._record_path(part))

    def verified(self, part: Part) -> PartRecord | None:
        """Return the record of a part that is there and whole; one that was damaged is removed."""
        record = self.recorded(part)
        if record is None:
            return None
        try:
            if self.digest(part) == record.digest:
                return record
        except OSError as error:
            log.debug("part %s cannot be read: %s", part.name, error)
        log.warning("%s was damaged since it was made, and is made anew.", self.path(part))
        self._record_path(part).unlink(missing_ok=True)
        return None

    def digest(self, part: Part) -> str:
        """Return the digest of the files of a part; raises ``OSError``."""
        digest = hashlib.sha256()
        for file in self._files(part):
            with file.open("rb") as content:
                digest.update(f"{file.name} ".encode() + hashlib.file_digest(content, "sha256").digest())
        return digest.hexdigest()

    def file_bytes(self, part: Part) -> int:
        """Return the size of the files of a part."""
        return sum(file.stat().st_size for file in self._files(part))

    def _files(self, part: Part) -> list[Path]:
        path = self.path(part)
        return sorted(path.iterdir()) if self.holds_pictures else [path]

    def remove(self, part: Part) -> None:
        """Remove a part."""
        self._record_path(part).unlink(missing_ok=True)
        path = self.path(part)
        if self.holds_pictures:
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def _record_path(self, part: Part) -> Path:
        return self._work.parts_folder / f"{part.name}.json"


def read_records(work: Work) -> list[PartRecord]:
    """Return the records of all parts of a work that are there, in order."""
    found = [_read_record(work.parts_folder / f"{part.name}.json") for part in work.parts]
    return [record for record in found if record is not None]


def _read_record(path: Path) -> PartRecord | None:
    try:
        document: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        return PartRecord(**document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.debug("the record %s cannot be read: %s", path, error)
        return None
