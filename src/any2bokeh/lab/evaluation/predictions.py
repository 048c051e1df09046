"""Finished clips of others, read as if a renderer of ours had made them."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from any2bokeh.errors import RefocusError
from any2bokeh.lab.evaluation.cases import Case
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings.evaluation_settings import NamedFolder
from any2bokeh.video.decode import frame_times, open_video, probe_video


class PredictionError(RefocusError):
    """A finished clip is missing, or does not have the frames or the size of its case."""


@dataclass(frozen=True)
class FinishedClip:
    """A finished clip as a renderer: each scene gets the next frame of the file, whatever its time stamp."""

    path: Path
    name: str

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield the frames of the file; raises ``RefocusError`` where it cannot be read to the end."""
        with open_video(self.path) as video:
            frames = iter(video)
            for scene in scenes:
                frame = next(frames, None)
                if frame is None:
                    raise PredictionError(f"{self.path} ends before its case does: frames are damaged.")
                yield Frame(picture=frame.picture, pts=scene.pts)


def find_finished(prediction: NamedFolder, case: Case) -> FinishedClip:
    """Return the finished clip of a case.

    Looked for are, in this order, ``CLIP/bokeh-SETTING.*`` and ``CLIP.SETTING.*`` of a data set, and
    ``STEM.*`` and ``STEM.refocus.*`` of a video. Raises ``PredictionError`` if there is none, or several, or
    if it has another number of frames or another size than the case.
    """
    names = case.prediction_names()
    for name in names:
        found = sorted(prediction.folder.glob(f"{glob.escape(name)}.*"))
        found = [path for path in found if path.name.removesuffix(path.suffix) == Path(name).name]
        if len(found) > 1:
            listed = ", ".join(path.name for path in found)
            raise PredictionError(f"{prediction.folder} has several results of {case.name}: {listed}.")
        if found:
            return _checked(found[0], prediction, case)
    looked_for = " or ".join(f"{name}.*" for name in names)
    raise PredictionError(f"{prediction.folder} has no result of {case.name}: looked for {looked_for}.")


def _checked(path: Path, prediction: NamedFolder, case: Case) -> FinishedClip:
    info, frames = probe_video(path), len(frame_times(path))
    if (info.width, info.height) != (case.pictures.width, case.pictures.height):
        raise PredictionError(
            f"{path} is {info.width}x{info.height},"
            f" and {case.name} {case.pictures.width}x{case.pictures.height}."
        )
    if frames != case.frames:
        raise PredictionError(f"{path} has {frames} frames, and {case.name} {case.frames}.")
    return FinishedClip(path, prediction.name)
