"""Checkpoints of the diffusion renderer: folders of weights, the facts that belong to them, loading them.

A checkpoint is ``unet/{config.json, diffusion_pytorch_model.safetensors}``, ``vae/`` likewise, and
``bokeh.json``, the facts. Imported ones live in ``$ANY2BOKEH_HOME/weights/NAME``.
"""

import json
import math
import os
from collections.abc import Callable, Collection
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import get_args

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from any2bokeh.documents import parse_json, read_document
from any2bokeh.errors import WeightsError, shown
from any2bokeh.paths import checkpoints_folder
from any2bokeh.settings.weights_settings import ImportSettings, KPrecision, MaskMode
from any2bokeh.weights.disk import FACTS_FILE, imported_names
from any2bokeh.weights.tensors import largest_magnitude, shapes_in

DEFAULT_NAME = ImportSettings().name

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
PARTS = ("unet", "vae")
# How checkpoints spelled their facts before this project chose American spelling.
OLDER_NAMES = {"licence": "license", "clip_normalisation": "clip_normalization"}
# Facts that checkpoints once had, with the values of those that are read still.
FORMER_FACTS = {"answers": "refocused", "largest_blur": None, "correction_weight": 1.0}


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """The facts needed to run weights as they were trained: the content of ``bokeh.json``.

    ``mask_mode``: whether MPI tokens take part ("paper") or are masked ("released").
    ``mpi_alpha``: the power of the MPI plane thresholds. ``time_ids``: frames per second minus one,
    motion bucket, noise augmentation, as the U-Net is given them. ``clip_normalization``: whether
    pictures are standardized before CLIP. ``k_precision``: how the embedding of K is worked out.
    ``image_encoder``: whether the U-Net is given CLIP's embeddings, or nothing in their place.
    ``trained_steps``: for how many steps it was trained from random weights, where that is known.
    """

    mask_mode: MaskMode
    mpi_alpha: float
    time_ids: tuple[float, float, float]
    clip_normalization: bool
    k_precision: KPrecision
    license: str
    source: str
    image_encoder: bool = True
    trained_steps: int | None = None

    def __post_init__(self) -> None:
        self._check("mask_mode", _is_one_of(MaskMode), f"one of {', '.join(get_args(MaskMode))}")
        self._check("mpi_alpha", lambda value: _is_number(value) and value > 0, "a number above 0")
        self._check("time_ids", _is_three_numbers, "three numbers")
        self._check("clip_normalization", lambda value: isinstance(value, bool), "true or false")
        self._check("k_precision", _is_one_of(KPrecision), f"one of {', '.join(get_args(KPrecision))}")
        self._check("license", _is_text, "a text")
        self._check("source", _is_text, "a text")
        self._check("image_encoder", lambda value: isinstance(value, bool), "true or false")
        self._check("trained_steps", _is_nothing_or_a_count, "a number of steps, or null")

    def _check(self, field: str, accepts: Callable[..., bool], wanted: str) -> None:
        if not accepts(value := getattr(self, field)):
            raise WeightsError(f"{field} must be {wanted}, got {shown(value)}.")

    @classmethod
    def from_json(cls, text: str) -> "CheckpointFacts":
        """Return the facts that ``text`` holds; raises ``WeightsError`` that names the field."""
        try:
            table = parse_json(text)
        except ValueError as error:
            raise WeightsError(f"It is not JSON: {error}.") from error
        if not isinstance(table, dict):
            raise WeightsError(f"It must be one JSON object, got {type(table).__name__}.")
        table = {OLDER_NAMES.get(name, name): value for name, value in table.items()}
        for name, value in FORMER_FACTS.items():
            if table.pop(name, value) != value:
                raise WeightsError("They correct the lens's picture; only the small network does so now.")
        names = {field.name for field in fields(cls)}
        if unknown := sorted(set(table) - names):
            raise WeightsError(f"{unknown[0]} is not a fact of a checkpoint.")
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if missing := sorted(needed - set(table)):
            raise WeightsError(f"{missing[0]} is missing.")
        if isinstance(table["time_ids"], list):
            table["time_ids"] = tuple(table["time_ids"])
        return cls(**table)

    def to_json(self) -> str:
        """Return the text of ``bokeh.json``."""
        return json.dumps(asdict(self), indent=2) + "\n"


def _is_one_of(choices: object) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in get_args(choices)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_nothing_or_a_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_three_numbers(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(map(_is_number, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


# How the published inference runs the published weights; the mask mode is found from the weights.
PUBLISHED_FACTS = CheckpointFacts(
    mask_mode="released",
    mpi_alpha=1.5,
    time_ids=(6, 127, 0.0),
    clip_normalization=False,
    k_precision="float32",
    license="CC-BY-NC-4.0, as its repository; not stated whether that covers the weights:"
    " treat them as non-commercial",
    source="https://github.com/vivoCameraResearch/any-to-bokeh",
)

# The training here: the method as the paper has it, starting from Stable Video Diffusion.
TRAINED_FACTS = CheckpointFacts(
    mask_mode="paper",
    mpi_alpha=1.0,
    time_ids=(6, 127, 0.0),
    clip_normalization=True,
    k_precision="float32",
    license="Stability AI's community terms, as the Stable Video Diffusion weights it starts from",
    source="trained with any2bokeh",
)


@dataclass(frozen=True)
class Checkpoint:
    """A folder that holds all files of a checkpoint, and its facts."""

    folder: Path
    facts: CheckpointFacts

    @property
    def unet_config(self) -> Path:
        """The U-Net's sizes: diffusers' ``config.json``."""
        return self.folder / "unet" / CONFIG_FILE

    @property
    def unet_weights(self) -> Path:
        """The U-Net's weights."""
        return self.folder / "unet" / WEIGHTS_FILE

    @property
    def vae_config(self) -> Path:
        """The VAE's sizes: diffusers' ``config.json``."""
        return self.folder / "vae" / CONFIG_FILE

    @property
    def vae_weights(self) -> Path:
        """The VAE's weights."""
        return self.folder / "vae" / WEIGHTS_FILE


def find_checkpoint(name_or_folder: str | Path | None = None) -> Checkpoint:
    """Return the checkpoint imported under a name, or that in a folder; by default the published one.

    Raises ``WeightsError`` that tells how to get it, or names its defect.
    """
    name = str(name_or_folder or DEFAULT_NAME)
    names = imported_names()
    if name in names:
        return read_checkpoint(checkpoints_folder() / name)
    if name_or_folder is not None and Path(name_or_folder).is_dir():
        return read_checkpoint(Path(name_or_folder))
    if name_or_folder is not None and (Path(name).exists() or "/" in name or os.sep in name):
        what = "is a file, not a folder of weights" if Path(name).exists() else "does not exist"
        raise WeightsError(
            f"{name} {what}.", hint="`weights` takes a folder, or a name given to import-weights."
        )
    there = f" (imported: {', '.join(names)})" if names else ""
    named = "" if name == DEFAULT_NAME else f" --name {name}"
    raise WeightsError(
        f"The weights {shown(name)} of the diffusion renderer are not on this machine{there}.",
        hint=f"Run `bokeh import-weights PATH{named}`; docs/weights.md tells where they are published.",
    )


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return the checkpoint in ``folder``; raises ``WeightsError`` for a file that is missing or wrong."""
    for path in (FACTS_FILE, *(f"{part}/{name}" for part in PARTS for name in (CONFIG_FILE, WEIGHTS_FILE))):
        if not (folder / path).is_file():
            raise WeightsError(f"{folder} is not a checkpoint: {path} is missing.")
    return Checkpoint(folder, read_facts(folder / FACTS_FILE))


def read_facts(path: Path) -> CheckpointFacts:
    """Return the facts in a file; raises ``WeightsError``."""
    try:
        return CheckpointFacts.from_json(read_document(path))
    except WeightsError as error:
        raise WeightsError(f"{path} cannot be used: {error.message}") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}.") from error


def load_weights(
    module: nn.Module,
    path: Path,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    may_lack: Collection[str] = (),
    unused: Collection[str] = (),
) -> tuple[str, ...]:
    """Give ``module`` the weights in the safetensors file ``path``; return the keys that it lacks.

    Every key of the module must be in the file and the other way round, with the same shape; only those
    in ``may_lack`` may be missing, and stay as they are, and those in ``unused`` are left alone. The tensors
    become the module's own, on ``device`` and, where they are floating point, in ``dtype`` (by default as
    they are in the file), so a module made on the meta device costs its weights once. Raises
    ``WeightsError`` that names the first key that is wrong, with the shape found and wanted, or says that
    the file is damaged.
    """
    own = module.state_dict()
    wanted = {key: list(tensor.shape) for key, tensor in own.items()}
    counts = {key for key, tensor in own.items() if not tensor.is_floating_point()}
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            found = {key: shape for key, shape in shapes_in(file).items() if key not in unused}
            lacking = check_keys(found, wanted, str(path), may_lack)
            state = {
                key: file.get_tensor(key)
                if key in counts
                else _cast(file.get_tensor(key), dtype, f"{key} in {path}")
                for key in found
            }
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The weights {path} cannot be read: {error}") from error
    module.load_state_dict(state, strict=False, assign=True)
    return lacking


def check_keys(
    found: dict[str, list[int]], wanted: dict[str, list[int]], where: str, may_lack: Collection[str] = ()
) -> tuple[str, ...]:
    """Compare keys and shapes; return the wanted keys that are not found but may be missing.

    Raises ``WeightsError`` that names the first key that is missing, unknown, and of another shape.
    """
    lacking = [key for key in wanted if key not in found]
    missing = [f"{key} {wanted[key]} is missing" for key in lacking if key not in may_lack]
    unknown = [f"{key} {found[key]} is unknown" for key in found if key not in wanted]
    misshapen = [
        f"{key} has the shape {found[key]} where {shape} is wanted"
        for key, shape in wanted.items()
        if key in found and found[key] != shape
    ]
    firsts = [
        f"{problems[0]}{f' (and {more} more)' if (more := len(problems) - 1) else ''}"
        for problems in (missing, unknown, misshapen)
        if problems
    ]
    if firsts:
        raise WeightsError(f"The weights in {where} do not fit the network: {', '.join(firsts)}.")
    return tuple(lacking)


def _cast(tensor: torch.Tensor, dtype: torch.dtype | None, name: str) -> torch.Tensor:
    largest_magnitude(tensor, name)
    if dtype is None:
        return tensor
    cast = tensor.to(dtype)
    if dtype == torch.float16 and tensor.dtype != dtype and not bool(cast.isfinite().all()):
        raise WeightsError(f"{name} cannot be float16: it has values beyond 65504.", hint="`dtype=float32`")
    return cast
