"""The files that the network is made of, where they are on this machine."""

from dataclasses import dataclass
from pathlib import Path

from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.weights.catalog import IMAGE_ENCODER, find_model, load_catalog
from any2bokeh.weights.checkpoint import Checkpoint, find_checkpoint, read_checkpoint
from any2bokeh.weights.download import model_folder


@dataclass(frozen=True)
class Parts:
    """A checkpoint, and the folder of the image encoder, for those that take one."""

    checkpoint: Checkpoint
    image_encoder: Path | None


SMALL = Path(__file__).with_name("small")  # docs/training.md says how it was made


def find_parts(weights: str | None) -> Parts:
    """Return the parts for the checkpoint of that name, or in that folder; ``None``: the published one.

    Raises ``WeightsError`` that names what is missing and the command that brings it.
    """
    checkpoint = find_checkpoint(weights)
    if not checkpoint.facts.image_encoder:
        return Parts(checkpoint, None)
    encoder = find_model(IMAGE_ENCODER, load_catalog())
    return Parts(checkpoint, model_folder(encoder) / "image_encoder")


def parts_of(settings: RenderSettings) -> Parts:
    """Return the parts of the network that the renderer diffusion or small runs; see ``find_parts``."""
    return small_parts() if settings.renderer == "small" else find_parts(settings.diffusion.weights)


def small_parts() -> Parts:
    """Return those of the small network, which corrects the lens and is part of the package."""
    return Parts(read_checkpoint(SMALL), None)
