"""From published weights to a checkpoint: found, checked key by key, written in half precision."""

import logging
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from any2bokeh.atomic import DISK_FULL, partial_folder
from any2bokeh.documents import parse_json, read_document
from any2bokeh.errors import WeightsError
from any2bokeh.paths import HOME_VARIABLE, checkpoints_folder
from any2bokeh.progress import OnCount, ignore
from any2bokeh.settings.weights_settings import ImportSettings
from any2bokeh.weights.archive import FoundCheckpoint, FoundPart, open_checkpoint
from any2bokeh.weights.catalog import SVD_UNET, load_catalog
from any2bokeh.weights.checkpoint import (
    CONFIG_FILE,
    PARTS,
    PUBLISHED_FACTS,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointFacts,
    check_keys,
    read_checkpoint,
)
from any2bokeh.weights.disk import FACTS_FILE, check_space, sha256_of, write_manifest
from any2bokeh.weights.download import find_folder
from any2bokeh.weights.mask_mode import MaskEvidence, find_evidence
from any2bokeh.weights.tensors import TensorFile, open_tensors, write_half

Networks = Mapping[str, Callable[[dict[str, Any]], nn.Module]]  # "unet" and "vae": from config.json to module

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportedCheckpoint:
    """The new checkpoint, and the evidence of its mask mode."""

    checkpoint: Checkpoint
    evidence: MaskEvidence


def import_checkpoint(
    source: Path,
    settings: ImportSettings,
    networks: Networks,
    on_progress: OnCount = ignore,
    *,
    overwrite: bool = False,
) -> ImportedCheckpoint:
    """Make the checkpoint ``settings.name`` of the weights in ``source``, a folder or a zip.

    The keys and shapes must be those of ``networks``, made from the weights' own configurations.
    ``on_progress`` is told of every piece unpacked or written, in bytes. The checkpoint appears whole
    or not at all.

    Raises ``WeightsError`` with a sentence for the user.
    """
    target = checkpoints_folder() / settings.name
    if target.exists() and not overwrite:
        raise WeightsError(
            f"{target} exists already.", hint="`overwrite=True` replaces it, `name` gives another"
        )
    try:
        with (
            partial_folder(target, overwrite=overwrite, error_class=WeightsError) as partial,
            open_checkpoint(source, partial, on_progress) as found,
        ):
            evidence = _convert(found, partial, settings, networks, on_progress)
            facts = _facts(found, settings, evidence, source)
            (partial / FACTS_FILE).write_text(facts.to_json(), encoding="utf-8")
    except OSError as error:
        if error.errno in DISK_FULL:
            raise WeightsError(
                f"The disk is full: the weights of {source} did not fit into {target.parent}.",
                hint=f"Set {HOME_VARIABLE} to a folder with more space.",
            ) from error
        raise
    return ImportedCheckpoint(checkpoint=read_checkpoint(target), evidence=evidence)


def _convert(
    found: FoundCheckpoint,
    folder: Path,
    settings: ImportSettings,
    networks: Networks,
    on_progress: OnCount,
) -> MaskEvidence:
    """Write the parts to ``folder``, after all of them were checked; return the evidence of the mask mode."""
    unet, vae = (found.parts[part] for part in PARTS)
    with (
        open_tensors(unet.weights, unet.weights_name) as unet_tensors,
        open_tensors(vae.weights, vae.weights_name) as vae_tensors,
    ):
        tensors = {"unet": unet_tensors, "vae": vae_tensors}
        for part in PARTS:
            _check_fit(found.parts[part], tensors[part], networks[part])
        elements = sum(math.prod(shape) for each in tensors.values() for shape in each.shapes.values())
        check_space(
            "The checkpoint",
            elements * torch.float16.itemsize,
            folder,
            hint=f"Set {HOME_VARIABLE} to a folder with more space.",
        )
        evidence = _find_evidence(unet_tensors, settings.svd)
        hashes: dict[str, str] = {}
        for part in PARTS:
            hashes |= _write_part(folder, part, found.parts[part], tensors[part], on_progress)
    write_manifest(folder, hashes)
    return evidence


def _find_evidence(unet: TensorFile, svd: Path | None) -> MaskEvidence:
    """Return the evidence of the mask mode; SVD's that happen to be here need not fit them."""
    if svd:
        return find_evidence(unet, svd)
    try:
        return find_evidence(unet, _downloaded_svd())
    except WeightsError as error:
        _log.info("conv_in_mpi is not compared: %s", error)
        return find_evidence(unet)


def _downloaded_svd() -> Path | None:
    """Return the weights of Stable Video Diffusion's U-Net where they were downloaded, else ``None``."""
    model = load_catalog().get(SVD_UNET)
    folder = find_folder(model) if model else None
    return next(folder.glob("unet/*.safetensors"), None) if folder else None


def _check_fit(
    part: FoundPart, tensors: TensorFile, make_network: Callable[[dict[str, Any]], nn.Module]
) -> None:
    """Raise ``WeightsError`` if the weights are not those of the network that their config describes."""
    try:
        config = parse_json(read_document(part.config))
        with torch.device("meta"):
            network = make_network(config)
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        raise WeightsError(
            f"{part.config_name} describes no known network: {type(error).__name__}: {error}."
        ) from error
    wanted = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
    check_keys(dict(tensors.shapes), wanted, part.weights_name)


def _write_part(
    folder: Path, part: str, found: FoundPart, tensors: TensorFile, on_progress: OnCount
) -> dict[str, str]:
    """Write one part of the checkpoint; return the hashes of its files by their path."""
    (folder / part).mkdir()
    config = folder / part / CONFIG_FILE
    shutil.copyfile(found.config, config)
    written = write_half(folder / part / WEIGHTS_FILE, tensors, on_progress)
    for key in sorted(written.kept_in_single):
        _log.warning(
            "%s of the %s has values beyond 65504, which float16 cannot hold: it stays float32,"
            " and the network cannot run with `dtype=float16`.",
            key,
            part,
        )
    return {f"{part}/{CONFIG_FILE}": sha256_of(config), f"{part}/{WEIGHTS_FILE}": written.sha256}


def _facts(
    found: FoundCheckpoint, settings: ImportSettings, evidence: MaskEvidence, source: Path
) -> CheckpointFacts:
    """Return the facts that the weights bring along, else those of the published ones."""
    if found.facts:
        try:
            facts = CheckpointFacts.from_json(found.facts.read_text(encoding="utf-8"))
        except (WeightsError, OSError, UnicodeDecodeError) as error:
            raise WeightsError(f"{FACTS_FILE} in {source} cannot be used: {error}") from error
        return replace(facts, mask_mode=settings.mask_mode or facts.mask_mode)
    return replace(
        PUBLISHED_FACTS,
        mask_mode=settings.mask_mode or evidence.mode,
        source=f"{source.name}, taken to be the weights published at {PUBLISHED_FACTS.source}",
    )
