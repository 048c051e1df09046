"""A given track whose disparity is steadied as it is read."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.depth.stabilization import Stabilizer
from any2bokeh.depth.track import DisparityTrack
from any2bokeh.motion.flow import Flow, PreparedPicture, flow_between, prepare_picture
from any2bokeh.motion.shots import is_lost
from any2bokeh.scene import Frame


class StabilizedTrack(DisparityTrack):
    """A track steadied frame by frame, anew after each cut unless it is a ``single_shot``."""

    def __init__(self, track: DisparityTrack, *, single_shot: bool = False) -> None:
        self._track, self._single_shot = track, single_shot
        self._stabilizer = Stabilizer()
        self._last: PreparedPicture | None = None
        self._left: tuple[Stabilizer, PreparedPicture] | None = None  # what was steadied before the last cut

    def at_own_size(self, frame: Frame) -> Tensor:
        """Return the frame's steadied disparity; see ``DisparityTrack.at_own_size``."""
        disparity = self._track.at_own_size(frame)
        size = disparity.shape[1:]
        picture = interpolate(frame.picture[None], (size[0], size[1]), mode="bilinear", antialias=True)[0]
        view = prepare_picture(picture)
        back = self._lead_back(view)
        steadied = torch.from_numpy(self._stabilizer.stabilize(disparity[0].cpu().numpy(), view, back))
        self._last = view
        return steadied[None].to(disparity.device).clamp(0, 1)

    def again(self) -> "StabilizedTrack":
        """Return the same track, to be read from its beginning; see ``DisparityTrack.again``."""
        return StabilizedTrack(self._track.again(), single_shot=self._single_shot)

    def close(self) -> None:
        """Stop reading."""
        self._track.close()

    def _lead_back(self, view: PreparedPicture) -> Flow | None:
        """The flow to the frame before; at a cut to the shot before, if it goes on, as after a flash."""
        if self._last is None:
            return None
        back = flow_between(view.gray, self._last.gray)[0]
        if self._single_shot or not is_lost(back):
            return back
        left, self._left = self._left, (self._stabilizer, self._last)
        if left is not None and not is_lost(back := flow_between(view.gray, left[1].gray)[0]):
            self._stabilizer = left[0]
            return back
        self._stabilizer = Stabilizer()
        return None
