"""Figures of a result, frame after frame; of a clip, nothing is kept but numbers and the last frame."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.lab.evaluation.cases import CaseFrame
from any2bokeh.lab.evaluation.frechet import FeatureWindows
from any2bokeh.lab.evaluation.metric_networks import Networks
from any2bokeh.lab.frame_metrics import (
    SharpMotion,
    dis_flow,
    edge_preservation,
    edge_strength,
    focus_region,
    motion_error,
    near_steps,
    psnr,
    sharp_motion,
    smoothness,
    ssim,
    still_flicker,
    warp_error,
)

FlowBetween = Callable[[Tensor, Tensor], Tensor]

SERIES = ("psnr", "ssim", "vepi", "rm", "warp")  # of each frame, for the plots


@dataclass(frozen=True)
class Metric:
    """A figure: its key, the head of its column, which way is better, and its definition in a sentence.

    Of one that blur itself makes smaller, no way is better: that of the ground truth is right.
    """

    key: str
    title: str
    higher_is_better: bool | None
    digits: int
    what: str


METRICS = (
    Metric("psnr", "PSNR", True, 2, "dB, of the squared error of all pixels of a clip"),
    Metric("ssim", "SSIM", True, 4, "structural similarity, window of 11 pixels, mean over frames"),
    Metric("lpips", "LPIPS", False, 4, "LPIPS over SqueezeNet, mean over frames"),
    Metric(
        "edges",
        "edges",
        True,
        2,
        "PSNR of the pixels within 12 px of a step of disparity above 0.1, or of the focus mask's edge",
    ),
    Metric(
        "fd",
        "FD",
        False,
        3,
        "mean absolute difference, in pixels, between the flows of result and ground truth, frame to frame",
    ),
    Metric("rm", "RM", False, 5, "mean `|(out[t+1] - out[t]) - (truth[t+1] - truth[t])|`"),
    Metric(
        "vepi",
        "VEPI",
        True,
        4,
        "correlation of the edges of result and sharp picture in the area in focus, mean over its frames",
    ),
    Metric("vepi_smoothness", "smooth", True, 4, "1 less the standard deviation of VEPI's steps"),
    Metric(
        "warp",
        "warp",
        None,
        5,
        "mean |out[t] - out[t-1] brought along the motion of the sharp picture|",
    ),
    Metric("still", "still", None, 5, "mean |out[t] - out[t-1]| where the sharp picture stands still"),
    Metric("vfid", "VFID", False, 2, "Fréchet distance of R3D-18 features of 10 frames"),
    Metric("fvd", "FVD", False, 2, "Fréchet distance of VideoMAE features of 16 frames"),
    Metric("seconds", "s/frame", False, 3, "seconds of rendering per frame, without reading and measuring"),
)
TITLES = {metric.key: metric.title for metric in METRICS}


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipScores:
    """A method's results on a case: figures by key, those of each frame, and features by network."""

    scores: dict[str, float]
    series: dict[str, list[float | None]] = field(default_factory=dict)
    features: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ReferenceFrame:
    """A frame of a case with the quantities that all methods' scores share, each computed once, on demand."""

    frame: CaseFrame
    flow: FlowBetween
    before: "CaseFrame | None" = None

    @cached_property
    def sharp_edges(self) -> NDArray[np.float64]:
        """Of the all-in-focus picture."""
        return edge_strength(self.frame.scene.sharp)

    @cached_property
    def region(self) -> NDArray[np.bool_]:
        """The region of VEPI, ``H W`` bool."""
        return focus_region(self.frame.mask, *self.frame.scene.sharp.shape[1:])

    @cached_property
    def in_focus(self) -> Tensor:
        """The mask at the size of the picture, ``H W`` bool."""
        size = self.frame.scene.sharp.shape[1:]
        return interpolate(self.frame.mask[None], size, mode="nearest")[0, 0] > 0.5

    @cached_property
    def near_edges(self) -> Tensor:
        """The pixels near depth discontinuities of the exact disparity, ``H W``."""
        return near_steps(self.frame.scene.disparity[0], self.in_focus)

    @cached_property
    def focus_edges(self) -> Tensor:
        """The pixels near the outline of the region in focus, ``H W``."""
        return near_steps(torch.zeros_like(self.frame.scene.disparity[0]), self.in_focus)

    @cached_property
    def motion(self) -> SharpMotion:
        """Of the all-in-focus picture, from the frame before."""
        assert self.before is not None
        return sharp_motion(self.before.scene.sharp, self.frame.scene.sharp)

    @cached_property
    def ground_truth_flow(self) -> Tensor:
        """Flow of the ground truth, from the frame before."""
        assert (
            self.before is not None
            and self.before.ground_truth is not None
            and self.frame.ground_truth is not None
        )
        return self.flow(self.before.ground_truth, self.frame.ground_truth)


class Scorer:
    """Figures of one method on one case; pictures are ``3 H W`` in 0..1, in the order of the frames."""

    def __init__(self, networks: Networks, *, is_ground_truth: bool = False) -> None:
        self._networks, self._is_ground_truth = networks, is_ground_truth
        self._before: Tensor | None = None
        self._series: dict[str, list[float | None]] = {}
        self._error, self._near_error, self._near_pixels, self._frames = 0.0, 0.0, 0, 0
        watchers = [watcher for watcher in (networks.video, networks.actions) if watcher]
        self._windows = {watcher.name: FeatureWindows(watcher) for watcher in watchers}

    def add(self, picture: Tensor, seen: ReferenceFrame) -> None:
        """Measure the next frame of a result."""
        self._frames += 1
        if seen.region.any():  # where nothing is in focus, no edge can be kept: the published code counts 0
            self._note("vepi", edge_preservation(seen.sharp_edges, edge_strength(picture), seen.region))
        ground_truth = seen.frame.ground_truth
        if ground_truth is not None and not self._is_ground_truth:
            self._compare(picture, ground_truth, seen)
        if self._before is not None and seen.before is not None:
            self._compare_motion(picture, self._before, seen)
        for windows in self._windows.values() if ground_truth is not None else ():
            windows.add(picture)
        self._before = picture

    def scores(self) -> ClipScores:
        """Return the figures of all frames that were added."""
        scores = {
            key: float(np.mean(known)) for key, series in self._series.items() if (known := _known(series))
        }
        if "vepi" in scores:
            scores["vepi_smoothness"] = smoothness(_known(self._series["vepi"]))
        if "psnr" in scores:
            scores["psnr"] = psnr(torch.tensor(self._error / self._frames))
        if self._near_pixels:
            scores["edges"] = psnr(torch.tensor(self._near_error / self._near_pixels))
        series = {key: self._series[key] for key in SERIES if key in self._series}
        features = {
            name: windows.features() for name, windows in self._windows.items() if windows.has_pictures
        }
        return ClipScores(scores=scores, series=series, features=features)

    def _compare(self, picture: Tensor, ground_truth: Tensor, seen: ReferenceFrame) -> None:
        """With the ground truth of the same frame."""
        error = (picture - ground_truth).square().mean(dim=0)  # H W
        near = error[seen.near_edges]
        self._error += float(error.mean())
        self._near_error += float(near.sum())
        self._near_pixels += near.numel()
        self._note("psnr", psnr(error))
        self._note("ssim", ssim(picture, ground_truth))
        if self._networks.lpips:
            self._note("lpips", self._networks.lpips(picture, ground_truth))

    def _compare_motion(self, picture: Tensor, before: Tensor, seen: ReferenceFrame) -> None:
        """With the frame before, and with the motion of the ground truth."""
        self._note("warp", warp_error(before, picture, seen.motion))
        self._note("still", still_flicker(before, picture, seen.motion))
        assert seen.before is not None
        if seen.frame.ground_truth is None or seen.before.ground_truth is None or self._is_ground_truth:
            return
        self._note("rm", motion_error(picture - before, seen.frame.ground_truth - seen.before.ground_truth))
        self._note("fd", float((seen.flow(before, picture) - seen.ground_truth_flow).abs().mean()))

    def _note(self, key: str, value: float | None) -> None:
        self._series.setdefault(key, []).append(value)


def flow_of(networks: Networks) -> tuple[str, FlowBetween]:
    """Return the flow that FD is measured by, and its name: RAFT, or DIS where that is not here."""
    return ("RAFT", networks.raft) if networks.raft else ("DIS", dis_flow)


def _known(series: list[float | None]) -> list[float]:
    return [value for value in series if value is not None]
