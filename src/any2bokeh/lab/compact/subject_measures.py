"""How well weights of the network that finds a subject do on scenes that no training saw."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from any2bokeh.depth.compact import CompactNetwork
from any2bokeh.lab.compact.batches import BatchSettings
from any2bokeh.lab.compact.subject_batches import SubjectBatches, SubjectTask
from any2bokeh.lab.compact.subject_trainer import answers, overlap_with
from any2bokeh.subject.click_network import ClickNetwork, FoundMask


@dataclass(frozen=True)
class SubjectMeasures:
    """Mean IoU, 0..1: of a click alone, of a second look at its mask, and of the next mask of a clip.

    ``too_well`` is how much better than it is the network takes its second look to be.
    """

    click: float
    again: float
    following: float
    too_well: float


def measure_click_network(
    depth: CompactNetwork, network: ClickNetwork, data: BatchSettings, batches: int, *, moving: bool = True
) -> SubjectMeasures:
    """Measure on the first ``batches`` batches of ``data``; without ``moving`` no motion is known."""
    rows: dict[str, list[Tensor]] = {"click": [], "again": [], "following": [], "too_well": []}
    given = SubjectBatches(data, batches)
    for step in range(batches):
        batch = given[step]
        if not moving:
            batch = replace(batch, motion=torch.zeros_like(batch.motion))
        for name, share in (("click", 0.0), ("again", 1.0)):
            follows = torch.full_like(batch.click.follows, share)
            asked = replace(batch, click=replace(batch.click, follows=follows))
            with torch.no_grad():
                found, following = answers(depth, network, asked)
            rows[name].append(_overlaps(found, batch.click))
            if name == "again":
                rows["too_well"].append(_optimism(found, batch.click))
                rows["following"].append(_overlaps(following, batch.follow))
    return SubjectMeasures(**{name: float(torch.cat(values).mean()) for name, values in rows.items()})


def _asked(task: SubjectTask) -> Tensor:
    return (task.counts > 0) & (task.truth.sum((1, 2, 3)) > 0)


def _overlaps(found: FoundMask, task: SubjectTask) -> Tensor:
    return overlap_with(found, task.truth)[_asked(task)]


def _optimism(found: FoundMask, task: SubjectTask) -> Tensor:
    return (found.quality.float().sigmoid() - overlap_with(found, task.truth))[_asked(task)]
