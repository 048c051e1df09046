"""The networks that estimate disparity: which of them a run takes, and how one is loaded."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from any2bokeh.depth import compact
from any2bokeh.depth.estimator import Estimator
from any2bokeh.device import default_depth_size
from any2bokeh.settings.depth_settings import DepthModel
from any2bokeh.weights.catalog import Model, find_model, load_catalog
from any2bokeh.weights.download import find_folder, model_folder

log = logging.getLogger(__name__)

DEPTH_NETWORKS = ("depth-small", "depth-base", "depth-large")  # "auto" takes the first that is here


class DepthNetwork(Protocol):
    """A network that is on this machine; ``source`` and ``revision`` tell its weights from all others."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def source(self) -> str:
        """Where its weights come from."""
        ...

    @property
    def revision(self) -> str:
        """Which of them they are."""
        ...

    def shorter_side(self, device: torch.device) -> int:
        """Return the shorter side in pixels of the frame that it sees where the user asks for none."""
        ...

    def is_quick(self, device: torch.device) -> bool:
        """Say whether estimating a frame on ``device`` takes hardly longer than following its motion."""
        ...

    def load(self, device: torch.device, dtype: torch.dtype) -> Estimator:
        """Return the network, ready; raises ``WeightsError`` for weights that are damaged or do not fit."""
        ...


@dataclass(frozen=True)
class DownloadedNetwork:
    """Depth Anything V2, as fetched from the hub into ``folder``."""

    model: Model
    folder: Path

    @property
    def name(self) -> str:
        """What the catalog calls it."""
        return self.model.name

    @property
    def source(self) -> str:
        """Its repository."""
        return self.model.repository

    @property
    def revision(self) -> str:
        """The commit."""
        return self.folder.name

    def shorter_side(self, device: torch.device) -> int:
        """Return what ``device`` has time for."""
        return default_depth_size(device)

    def is_quick(self, device: torch.device) -> bool:
        """A GPU is quick."""
        return device.type != "cpu"

    def load(self, device: torch.device, dtype: torch.dtype) -> Estimator:
        """Return the network, ready."""
        # Here, because transformers takes seconds to import and a cached track does not need it.
        from any2bokeh.depth.depth_anything import load_estimator

        return load_estimator(self.folder, device, dtype)


@dataclass(frozen=True)
class ShippedNetwork:
    """The compact network, whose weights are part of the package."""

    name: str = "compact"
    source: str = "any2bokeh"

    @property
    def revision(self) -> str:
        """A hash of the weights and of what is added to their answer."""
        return compact.revision()

    def shorter_side(self, device: torch.device) -> int:
        """Return the size that suits it: it is quick enough for any device."""
        return compact.SHORTER_SIDE

    def is_quick(self, device: torch.device) -> bool:
        """Everywhere: it takes a CPU hardly longer than following."""
        return True

    def load(self, device: torch.device, dtype: torch.dtype) -> Estimator:
        """Return the network, ready; on the CPU in float32, since coarser numbers would show as bands."""
        return compact.load_compact(device, torch.float32 if device.type == "cpu" else dtype)


def find_network(choice: DepthModel) -> DepthNetwork:
    """Return the network chosen; "auto" is Depth Anything V2 if it is here, else the compact one.

    Raises ``WeightsError`` that names the command to run if the weights of the one asked for are not here.
    """
    if choice == "compact":
        return ShippedNetwork()
    catalog = load_catalog()
    if choice != "auto":
        model = find_model(f"depth-{choice}", catalog)
        return DownloadedNetwork(model, model_folder(model))
    for name in DEPTH_NETWORKS:
        if name in catalog and find_folder(catalog[name]) is not None:
            return DownloadedNetwork(catalog[name], model_folder(catalog[name]))
    log.warning(
        "Disparity is estimated by the compact network, which is rougher:"
        " `bokeh download-weights %s` fetches a better one.",
        DEPTH_NETWORKS[0],
    )
    return ShippedNetwork()
