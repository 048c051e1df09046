"""The choice of a segmentation network that follows a click: a downloaded one, or the bundled one."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import torch

from any2bokeh.settings.focus_settings import SubjectNetwork
from any2bokeh.subject.segmenter import SubjectSegmenter
from any2bokeh.weights.catalog import FetchedModel, NetworkIdentity, find_model, load_catalog
from any2bokeh.weights.download import find_folder, model_folder

log = logging.getLogger(__name__)

SAM2, EDGETAM = "subject-sam2", "subject-edgetam"  # the names of the catalog

MakeSegmenter = Callable[[], SubjectSegmenter[Any]]


class Segmentation(NetworkIdentity, Protocol):
    """A way from clicks to masks."""

    @property
    def takes_seconds(self) -> bool:
        """Whether it takes a CPU seconds for a frame."""
        ...

    def load(self, device: torch.device, dtype: torch.dtype) -> MakeSegmenter:
        """Return the maker of one segmenter for each subject; raises ``WeightsError`` for damaged weights."""
        ...


@dataclass(frozen=True)
class DownloadedSegmentation(FetchedModel):
    """SAM 2.1 or EdgeTAM, as fetched from the hub into ``folder``."""

    takes_seconds: bool = True

    def load(self, device: torch.device, dtype: torch.dtype) -> MakeSegmenter:
        """Load the weights, once for all subjects."""
        from any2bokeh.subject.sam_segmenter import load_sam  # here: transformers takes seconds to import

        return load_sam(self.folder, device, dtype).segmenter


@dataclass(frozen=True)
class ShippedSegmentation:
    """The bundled network, of which docs/click.md tells; a fallback where no better one was fetched."""

    name: str = "bundled"
    source: str = "any2bokeh"
    takes_seconds: bool = False
    is_fallback: bool = False

    @property
    def revision(self) -> str:
        """A hash of the weights that ship, and of how they are used."""
        from any2bokeh.subject import click_segmenter

        return click_segmenter.click_revision()

    def load(self, device: torch.device, dtype: torch.dtype) -> MakeSegmenter:
        """Load the weights, once for all subjects."""
        from any2bokeh.subject.click_segmenter import load_click_network

        return load_click_network(device, dtype).segmenter


def find_segmentation(choice: SubjectNetwork, device: torch.device, *, patient: bool = True) -> Segmentation:
    """Return the way chosen; "auto" takes a network that is here: on a GPU SAM 2.1, else EdgeTAM first.

    SAM 2.1 takes a CPU twice as long as EdgeTAM, so "auto" takes it there only for those who are ``patient``.
    Raises ``WeightsError`` that names the command to run if the weights of the one asked for are not here.
    """
    if choice == "bundled":
        return ShippedSegmentation()
    catalog = load_catalog()
    if choice != "auto":
        model = find_model(f"subject-{choice}", catalog)
        return DownloadedSegmentation(model, model_folder(model))
    order: tuple[str, ...] = (SAM2, EDGETAM)
    if device.type == "cpu":
        order = (EDGETAM, SAM2) if patient else (EDGETAM,)
    for name in order:
        if name in catalog and find_folder(catalog[name]) is not None:
            if name == EDGETAM and find_spec("timm") is None:
                log.warning("%s is here, but not the package timm, which it needs.", name)
                continue
            return DownloadedSegmentation(catalog[name], model_folder(catalog[name]))
    return ShippedSegmentation(is_fallback=True)
