"""What goes from one file to another as it is: sound, subtitles, chapters, cover, tags."""

import io
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.stream import Discard, Disposition

from any2bokeh.errors import VideoError
from any2bokeh.video.containers import Container, can_hold, where_to_write
from any2bokeh.video.demux import Damage, JoinedTimes, open_source, read_only, readable_packets

# What these say is about the file that they stand in, not about the film.
TAGS_OF_FILES = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id")
# Those that mkvmerge counts: "BPS", "BPS-eng", "_STATISTICS_TAGS".
STATISTICS = re.compile(r"(_statistics_.*|bps|number_of_frames|number_of_bytes|duration)(-[a-z]+)?")
# What MP4 has a place for, where players look. All other tags need a list of another kind, in which FFmpeg
# cannot store a cover as well.
TAGS_OF_MP4 = (
    *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright"),
    *("grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network"),
    *("creation_time", "timecode"),
)
COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}

# A WAV without samples: 48 kHz, one channel of 16 bits.
EMPTY_WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\xbb\0\0\0\x77\1\0\2\0\x10\0data\0\0\0\0"
CHOSEN_BY_WRITER = "\0\0\0\0"  # as codec tag

READ_ON_S = 5  # behind the end of a cut, for packets that are stored late

Convert = Callable[[Any], Any]  # a packet to the packet that is written, or None


@dataclass(frozen=True)
class CopiedRange:
    """The seconds of a file that are copied; ``start_s`` becomes 0, ``None`` leaves times as they are.

    ``moves`` are the seconds by which the parts of a joined recording are moved.
    """

    start_s: Fraction | None = None
    end_s: Fraction | None = None
    moves: tuple[Fraction, ...] = ()

    def __contains__(self, time_s: Fraction) -> bool:
        after_start = self.start_s is None or time_s >= self.start_s
        return after_start and (self.end_s is None or time_s < self.end_s)


class StreamCopy:
    """The copying of all that is not the video from ``source`` to an open output, in step with the video.

    Creating it adds streams, chapters and tags to ``output``, which holds the video's stream and has
    no header yet. ``not_kept`` names what it cannot hold. Raises ``VideoError`` for sound that it
    cannot hold.
    """

    def __init__(
        self, source: Path, output: Any, target: Container, cut: CopiedRange, *, audio: bool
    ) -> None:
        self.not_kept: list[str] = []
        self._path, self._output, self._target, self._cut = source, output, target, cut
        self._input = open_source(source)
        self._routes: dict[int, tuple[Any, Convert]] = {}
        self._has_cover = False
        video = self._input.streams.best("video")
        for stream in self._input.streams:
            if stream is not video and (audio or stream.type != "audio"):
                self._add(stream)
        _copy_tags(video, output.streams.video[0])
        self._add_tags(_tags_of_film(self._input.metadata))
        output.set_chapters(
            [chapter for chapter in map(self._cut_chapter, self._input.chapters()) if chapter]
        )
        self._packets = self._timed_packets()
        self._next = next(self._packets, None)

    def until(self, time_s: Fraction | None) -> None:
        """Copy the packets up to a time of the source, or all that are left."""
        while self._next and (time_s is None or self._next[0] <= time_s):
            self._copy(self._next[1])
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self._packets.close()
        self._input.close()

    def _add(self, stream: Any) -> None:
        if stream.type == "audio":
            self._add_sound(stream)
        elif stream.type == "subtitle":
            self._add_subtitles(stream)
        elif stream.type == "video" and stream.disposition & Disposition.attached_pic:
            self._add_cover(stream)
        elif stream.type == "attachment" and self._target.format == "matroska":
            self._output.add_attachment(stream.name or "file", stream.mimetype or "", stream.data)
        elif stream.type == "data" and (stream.discard == Discard.all or "timecode" in stream.metadata):
            pass  # chapter titles, or a time code: the output makes its own from chapters and tags
        else:
            names = {"video": "a second video", "attachment": f"the attached file {stream.name}"}
            self.not_kept.append(names.get(stream.type, f"a {stream.type} stream"))

    def _add_sound(self, stream: Any) -> None:
        if stream.codec_context is None:
            self.not_kept.append("sound of an unknown kind")
            return
        add = partial(_copied_sound, stream)
        if can_hold(self._target, add):
            self._route(stream, add(self._output), _as_is)
            return
        elsewhere = where_to_write(add)
        if not elsewhere:
            self.not_kept.append(f"sound ({_codec(stream)})")
            return
        raise VideoError(
            f"A {self._target.suffix} file cannot hold the {_codec(stream)} sound of {self._path}.",
            hint=f"{elsewhere} `audio=False` leaves it out.",
        )

    def _add_subtitles(self, stream: Any) -> None:
        is_mov_text = _codec(stream) == "mov_text"
        try:
            self._add_copy(stream, _without_gap if is_mov_text else _as_is)
        except ValueError:
            if is_mov_text and self._target.format == "matroska":
                plain = self._output.add_mux_stream("subrip", time_base=stream.time_base)
                self._route(stream, plain, _plain_text)
            else:
                self.not_kept.append(f"subtitles ({_codec(stream)})")

    def _add_cover(self, stream: Any) -> None:
        cover = COVERS.get(_codec(stream))
        if cover and self._target.format == "mp4":
            self._add_copy(stream, _cover_packet)
            self._has_cover = True
        elif cover and self._target.format == "matroska":
            self._output.add_attachment(*cover, _cover_data(self._path, stream.index))
        else:
            self.not_kept.append("the cover picture")

    def _add_tags(self, tags: dict[str, str]) -> None:
        self._output.metadata.update(tags)
        if self._target.family != "mov":
            return
        others = sorted(name for name in tags if name.lower() not in TAGS_OF_MP4)
        if others and self._has_cover:
            self.not_kept.append(f"the tags {', '.join(others)}")
        elif others or self._target.format == "mov":
            self._output.container_options["movflags"] += "+use_metadata_tags"

    def _add_copy(self, stream: Any, convert: Convert) -> None:
        self._route(stream, self._output.add_stream_from_template(stream, opaque=True), convert)

    def _route(self, stream: Any, copy: Any, convert: Convert) -> None:
        _copy_tags(stream, copy)
        self._routes[stream.index] = copy, convert

    def _cut_chapter(self, chapter: dict[str, Any]) -> dict[str, Any] | None:
        unit = chapter["time_base"]
        low = round((self._cut.start_s or 0) / unit)
        start, end = max(chapter["start"] - low, 0), chapter["end"] - low
        if self._cut.end_s is not None:
            end = min(end, round(self._cut.end_s / unit) - low)
        return chapter | {"start": start, "end": end} if start < end else None

    def _timed_packets(self) -> Generator[tuple[Fraction, Any]]:
        """The packets to copy, each with the time at which it is due, in the source's time."""
        streams = [self._input.streams[index] for index in self._routes]
        if not streams:
            return
        read_only(self._input, streams)
        start_s, end_s = self._cut.start_s, self._cut.end_s
        joined = {index: JoinedTimes(self._cut.moves) for index in self._routes}
        is_joined = len(self._cut.moves) > 1
        if start_s is not None and not is_joined:
            # A second early: sound may be stored before the keyframe that this finds.
            self._input.seek(max(0, int((start_s - 1) * av.time_base)))
        for packet in readable_packets(self._input, streams, Damage(self._path)):
            if not packet.size:
                continue
            if is_joined and not joined[packet.stream_index].move(packet):
                continue  # sound of the next part that begins before the last one's has ended
            shown = packet.pts if packet.pts is not None else packet.dts
            if shown is None:
                yield Fraction(0), packet
                continue
            due_s = (packet.dts if packet.dts is not None else shown) * packet.time_base
            if end_s is not None and due_s > end_s + READ_ON_S:
                return
            if shown * packet.time_base in self._cut:
                yield due_s, packet

    def _copy(self, packet: Any) -> None:
        stream, convert = self._routes[packet.stream_index]
        packet = convert(packet)
        if packet is None:
            return
        if self._cut.start_s is not None and packet.pts is not None:
            shift = round(self._cut.start_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, None if packet.dts is None else packet.dts - shift
        packet.stream = stream
        self._output.mux_one(packet)


def _copied_sound(stream: Any, output: Any) -> Any:
    """Add a stream of sound to an output; raises ``ValueError`` where that is refused at once.

    Matroska holds whatever WAV holds (as A_MS/ACM), but FFmpeg says no when it is asked whether it does. A
    stream of PCM is added then, and told to be the other by a filter that changes nothing.
    """
    try:
        return output.add_stream_from_template(stream, opaque=True)
    except ValueError:
        if output.format.name != "matroska":
            raise
    with av.open(io.BytesIO(EMPTY_WAV), format="wav") as wav:
        copy = output.add_stream_from_template(wav.streams.audio[0], opaque=True)
    BitStreamFilterContext("null", stream, copy)
    copy.time_base = stream.time_base
    copy.codec_context.codec_tag = CHOSEN_BY_WRITER
    return copy


def _codec(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context else "unknown"


def _copy_tags(source: Any, target: Any) -> None:
    target.metadata.update(_tags_of_film(source.metadata))
    target.disposition = source.disposition


def _tags_of_film(tags: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in tags.items()
        if name.lower() not in TAGS_OF_FILES and not STATISTICS.fullmatch(name.lower())
    }


def _cover_data(path: Path, index: int) -> bytes:
    with open_source(path) as container:
        return next(
            (bytes(packet) for packet in container.demux(container.streams[index]) if packet.size), b""
        )


def _as_is(packet: Any) -> Any:
    return packet


def _cover_packet(packet: Any) -> Any:
    packet.pts = packet.dts = 0
    return packet


def _without_gap(packet: Any) -> Any:
    """A mov_text packet, unless it only fills the time between two: the writer fills it by itself."""
    return packet if packet.size > 2 else None


def _plain_text(packet: Any) -> Any:
    """The text of a mov_text packet as a SubRip packet of Matroska."""
    data = bytes(packet)  # the length in two bytes, the text, then its style
    text = data[2 : 2 + int.from_bytes(data[:2], "big")]
    if not text:
        return None
    plain = av.Packet(text)
    plain.pts, plain.dts, plain.duration = packet.pts, packet.dts, packet.duration
    plain.time_base = packet.time_base
    return plain
