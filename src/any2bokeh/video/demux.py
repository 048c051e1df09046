"""Video files as they are: opening them, their packets and times, and damage in them."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Discard, Disposition

from any2bokeh.errors import VideoError
from any2bokeh.video.limits import check_pixels, check_readable, kind_of_other, max_pixels

DECODER_THREADS = 4  # more gain little, and each holds frames of its own

MAX_DAMAGE_IN_A_ROW = 50
MAX_DAMAGED_SHARE = 0.1  # of all packets; but a few are always allowed
ALLOWED_DAMAGE = 5

# Here a keyframe before any time is found through an index; elsewhere reading starts at the beginning.
MATROSKA = "matroska,webm"
INDEXED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", MATROSKA)
# AVI has no presentation times, and FFmpeg's guesses are late. The times of decoding are right as a set.
UNTIMED_FORMATS = ("avi",)
# Recordings of these were often joined by putting one file behind the other: then times start anew.
JOINED_FORMATS = ("mpegts", "mpeg")
JOINED_BACK_S = 0.1  # times of decoding never go back within a recording
JOINED_AFTER_S = 3600  # a longer gap is none either: 33 bits of time ran over
BACKWARDS_S = 0.5  # frames that are stored out of order go back by less, damaged times by more


def open_source(path: Path) -> Any:
    """Open a file for reading; raises ``VideoError`` with a sentence on why that cannot be done."""
    check_readable(path, "a video")
    try:
        # The prefix keeps FFmpeg from reading "take:1.mov" as a protocol; broken tags are no reason to stop.
        # Larger pictures are refused before memory is taken for them, also while the file is looked through.
        return av.open(f"file:{path}", metadata_errors="replace", options={"max_pixels": str(max_pixels())})
    except PermissionError as error:
        raise VideoError(f"{path} cannot be read: permission denied.") from error
    except (av.FFmpegError, OSError) as error:
        if path.is_file() and path.stat().st_size == 0:
            raise VideoError(f"{path} is empty.") from error
        if kind := kind_of_other(path):
            raise VideoError(f"{path} is {kind}, not a video.") from error
        raise VideoError(
            f"{path} cannot be read as a video: its format is unknown, or it is damaged or incomplete.",
            hint="A recording that was interrupted often lacks its index: repair it, or export it again.",
        ) from error


def video_stream(path: Path, container: Any) -> Any:
    """Return the video of an open file, not its cover art, set up for threaded decoding.

    Raises ``VideoError`` if there is none, or none that can be decoded.
    """
    stream = container.streams.best("video")
    is_text = container.format.name == "tty"  # which FFmpeg would paint, as ANSI art
    if stream is None or stream.disposition & Disposition.attached_pic or is_text:
        kind = kind_of_other(path)  # many a text is taken for subtitles
        raise VideoError(f"{path} is {kind}, not a video." if kind else f"{path} contains no video.")
    if stream.codec_context is None:
        raise VideoError(f"{path} contains video in an unsupported codec.")
    check_pixels(path, stream.codec_context.width, stream.codec_context.height)
    stream.codec_context.options = {"max_pixels": str(max_pixels())}
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = DECODER_THREADS
    read_only(container, [stream])
    return stream


def read_only(container: Any, wanted: list[Any]) -> None:
    """Let the reader pass over the streams that are not wanted."""
    for stream in container.streams:
        stream.discard = Discard.default if stream in wanted else Discard.all


def seek(container: Any, stream: Any, pts: int | None) -> None:
    """Go to the last keyframe before ``pts``, or stay at the beginning."""
    if pts is not None and container.format.name in INDEXED_FORMATS:
        container.seek(pts, stream=stream)


class Damage:
    """Counts the packets of a file that cannot be decoded, and gives up when there are too many."""

    def __init__(self, path: Path) -> None:
        self.packets = 0
        self._path = path
        self._good = 0
        self._in_a_row = 0

    def none(self) -> None:
        """Note a packet that is as it should be."""
        self._good += 1
        self._in_a_row = 0

    def more(self, cause: BaseException | None = None) -> None:
        """Note a damaged packet; raises ``VideoError`` after too many in a row."""
        self.packets += 1
        self._in_a_row += 1
        if self._in_a_row >= MAX_DAMAGE_IN_A_ROW:
            raise self._error() from cause

    def check_share(self) -> None:
        """Raise ``VideoError`` if too large a share of the whole was damaged."""
        if self.packets > max(ALLOWED_DAMAGE, MAX_DAMAGED_SHARE * (self.packets + self._good)):
            raise self._error()

    def _error(self) -> VideoError:
        total = self.packets + self._good
        return VideoError(f"{self._path} is damaged: {self.packets} of {total} packets cannot be decoded.")


def decoded_frames(
    container: Any, stream: Any, damage: Damage, on_packet: Callable[[int, Any], None] | None = None
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield time stamp and frame in presentation order; undecodable frames are left out and counted.

    ``on_packet`` sees the time stamp and the packet of each frame before it is decoded, and may raise.
    """
    clock = PresentationClock()
    backwards = BACKWARDS_S / stream.time_base
    untimed: list[int] = []  # a heap of the times of packets whose frames have none
    is_untimed = container.format.name in UNTIMED_FORMATS
    with decoder_at_rest_after(stream):
        for pts, packet in timed_packets(container, stream, damage):
            if on_packet and pts is not None:
                on_packet(pts, packet)
            if pts is not None and (packet.pts is None or is_untimed):
                heapq.heappush(untimed, pts)
            try:
                frames = packet.decode()
            except EOFError:
                continue  # emptied already
            except av.FFmpegError as error:
                damage.more(error)
                if pts in untimed:
                    untimed.remove(pts)
                    heapq.heapify(untimed)
                continue
            if packet.size:
                damage.none()
            for frame in frames:
                time = heapq.heappop(untimed) if untimed else frame.pts
                if time is None or clock.is_behind(time, backwards):
                    damage.more()
                else:
                    yield clock.after(time), frame
    damage.check_share()


class PresentationClock:
    """Times in presentation order, each later than the one before.

    Screen recorders and stream splitters store frames with equal times; such a frame comes one tick later.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def is_behind(self, time: int, ticks: Fraction | float) -> bool:
        """Whether a time is more than so many ticks before the last one."""
        return self._last is not None and time < self._last - ticks

    def after(self, time: int) -> int:
        """Return the time of the next frame, for which the file says ``time``."""
        self._last = time if self._last is None else max(time, self._last + 1)
        return self._last


@contextmanager
def decoder_at_rest_after(stream: Any) -> Iterator[None]:
    """Wait for the decoder's threads when the block ends, however that is.

    A decoder that is given up while its threads work waits for them under Python's lock. Where PyAV hands
    FFmpeg's log to Python, as other libraries make it do, they wait for that lock in turn, for ever. Emptying
    the decoder waits for them as well, without the lock.
    """
    context = stream.codec_context
    try:
        yield
    finally:
        context.flush_buffers()


class JoinedTimes:
    """Lets the parts of a stream follow each other that were joined without new times.

    ``moves`` are the seconds by which each part is moved; they are found in the video, and given for the
    other streams, which so stay in step.
    """

    def __init__(self, moves: Sequence[Fraction] | None = None) -> None:
        self.moves = [Fraction(0)]
        self._given = moves
        self._part = 0
        self._last_s: Fraction | None = None  # by the file's own times, as is what follows
        self._follows_s: Fraction | None = None
        self._step_s = Fraction(0)
        self._moved: int | None = None

    def move(self, packet: Any) -> bool:
        """Let a packet have its times in the whole; ``False`` if it overlaps the part before."""
        if packet.dts is not None:
            stored_s = packet.dts * packet.time_base
            if self._follows_s is not None and not (
                -JOINED_BACK_S <= stored_s - self._follows_s <= JOINED_AFTER_S
            ):
                self._part += 1
                self.moves.append(self.moves[-1] + self._follows_s - stored_s)
            elif self._last_s is not None:
                self._step_s = stored_s - self._last_s
            self._last_s = stored_s
            self._follows_s = stored_s + ((packet.duration or 0) * packet.time_base or self._step_s)
        moves = self._given or self.moves
        shift = round(moves[min(self._part, len(moves) - 1)] / packet.time_base)
        if shift:
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        if packet.dts is None:
            return True
        is_later = self._moved is None or packet.dts > self._moved
        self._moved = packet.dts if self._moved is None else max(self._moved, packet.dts)
        return is_later


def timed_packets(
    container: Any, stream: Any, damage: Damage, joined: JoinedTimes | None = None
) -> Iterator[tuple[int | None, Any]]:
    """Yield time stamp and packet in stored order; at last the empty packet that empties the decoder.

    Packets without times, as in a raw stream, get times one after the other. Empty packets among the others,
    which repeat a picture, are passed over. Times of joined recordings are moved, as ``joined`` tells then.
    """
    following = 0
    joined = joined or JoinedTimes()
    is_joined = container.format.name in JOINED_FORMATS
    is_untimed = container.format.name in UNTIMED_FORMATS
    for packet in readable_packets(container, [stream], damage):
        if not packet.size:
            if packet.dts is None:
                yield None, packet
            continue
        if is_joined:
            joined.move(packet)
        stated = (packet.dts, packet.pts) if is_untimed else (packet.pts, packet.dts)
        pts = next((time for time in stated if time is not None), following)
        following = pts + (packet.duration or 1)
        yield pts, packet


def stored_packets(
    path: Path, start: int | None = None, joined: JoinedTimes | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield time stamp and packet of each frame, in stored order, from a keyframe before ``start`` on."""
    with open_source(path) as container:
        stream = video_stream(path, container)
        seek(container, stream, start)
        for pts, packet in timed_packets(container, stream, Damage(path), joined):
            if pts is not None and not packet.is_discard:
                yield pts, packet


@dataclass(frozen=True)
class Scan:
    """A video's packets: the times of its frames in presentation order, and when the last of them ends.

    ``moves`` are those of ``JoinedTimes``.
    """

    times: list[int]
    end: int
    moves: list[Fraction]


def scan_times(path: Path, first: int) -> Scan:
    """Return the times of all frames; nothing is decoded.

    ``first`` is the time of the first frame that can be decoded: packets of earlier ones, where a recording
    begins between keyframes, are no frames. The last frame ends when it begins where the file does not say
    how long it is shown. Raises ``VideoError`` if the file cannot be read as a video.
    """
    stored: list[int] = []
    end, joined = first, JoinedTimes()
    for pts, packet in stored_packets(path, joined=joined):
        if pts >= first:
            stored.append(pts)
        end = max(end, pts + (packet.duration or 0))
    return Scan(presentation_times(stored or [first]), end, joined.moves)


def presentation_times(stored: Iterable[int]) -> list[int]:
    """Return the times at which frames are shown, ascending, for those that their packets state."""
    clock = PresentationClock()
    return [clock.after(pts) for pts in sorted(stored)]


def readable_packets(container: Any, streams: list[Any], damage: Damage) -> Iterator[Any]:
    """Yield the packets of some streams as they are stored, reading on behind what cannot be read."""
    while True:
        try:
            yield from container.demux(streams)
            return
        except av.error.InvalidDataError as error:
            damage.more(error)  # and read on behind it
        except av.FFmpegError as error:
            raise VideoError(
                f"{container.name.removeprefix('file:')} can be read only in part: {error.strerror}."
            ) from error
