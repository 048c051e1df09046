"""Closed captions, which stand in the video's frames, on their way past the renderer."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from fractions import Fraction

import av

from any2bokeh.video.metadata import side_data
from any2bokeh.video.span import Ending

CAPTIONS = "A53_CC"  # CEA-608 and 708, as broadcasters and phones store them
# Encoders that write them; for all others they are named as lost.
CAPTION_ENCODERS = (
    *("libx264", "libx265", "h264_nvenc", "hevc_nvenc", "h264_videotoolbox", "hevc_videotoolbox"),
    "h264_qsv",
)
KEPT_FRAMES = 1024  # more than any renderer looks ahead; the captions of one take some kilobytes
CARRIER_SIZE = 16


class Captions:
    """The captions of the frames that were read last, by time stamp; for a reader and a writer at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._carriers: OrderedDict[int, av.VideoFrame] = OrderedDict()

    def note(self, pts: int, frame: av.VideoFrame) -> None:
        """Keep the captions of a frame that was read, if it has some."""
        if CAPTIONS not in side_data(frame):
            return
        # PyAV cannot make side data, but lets a frame made of another have the other's.
        carrier = frame.reformat(width=CARRIER_SIZE, height=CARRIER_SIZE)
        with self._lock:
            self._carriers[pts] = carrier
            if len(self._carriers) > KEPT_FRAMES:
                self._carriers.popitem(last=False)

    def take(self, pts: int) -> av.VideoFrame | None:
        """Return a small frame with the captions of the one at ``pts``, once, or ``None``."""
        with self._lock:
            return self._carriers.pop(pts, None)


@dataclass(frozen=True, eq=False)
class BesidePictures:
    """What of a video's frames does not travel with their pictures: the end of the last one, and captions.

    ``moves`` are the seconds by which the parts of a joined recording are moved.
    """

    ending: Ending | None = None
    captions: Captions = field(default_factory=Captions)
    moves: tuple[Fraction, ...] = ()
