"""Networks of transformers out of a folder: never fetched, nothing but safetensors, checked by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from any2bokeh.errors import WeightsError

# Mean and standard deviation of ImageNet's R'G'B', by which most backbones were trained.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def read_config(folder: Path, what: str, kind: Any = None) -> Any:
    """Return the configuration in ``folder``, of class ``kind`` if that is known.

    Raises ``WeightsError`` that says ``what`` cannot be loaded.
    """
    from transformers import AutoConfig  # here, because it takes seconds

    with _reported(folder, what):
        return (kind or AutoConfig).from_pretrained(folder, local_files_only=True)


def load_pretrained(kind: Any, config: Any, folder: Path, what: str) -> Any:
    """Return the network of class ``kind`` with the weights in ``folder``, in float32 on the CPU.

    Raises ``WeightsError`` for weights that are damaged or do not fit ``config``, naming the key.
    """
    with _reported(folder, what):
        network, report = kind.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # reported below, by name
            output_loading_info=True,
        )
    _check_keys(report["missing_keys"], report["unexpected_keys"], report["mismatched_keys"], folder)
    return network.eval()


def standardized(pictures: Tensor) -> Tensor:
    """Return pictures ``... 3 h w`` (R'G'B' in 0..1) in units of ImageNet's standard deviations."""
    mean, std = (pictures.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _STD))
    return (pictures - mean) / std


@contextmanager
def _reported(folder: Path, what: str) -> Iterator[None]:
    try:
        with _quiet_transformers():
            yield
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(f"The {what} in {folder} cannot be loaded: {error}") from error


def _check_keys(
    missing: set[str], unknown: set[str], mismatched: set[tuple[str, torch.Size, torch.Size]], folder: Path
) -> None:
    problems = [
        *(f"the key {key} is missing" for key in sorted(missing)),
        *(f"the key {key} is unknown" for key in sorted(unknown)),
        *(
            f"{key} has the shape {list(found)} instead of {list(wanted)}"
            for key, found, wanted in mismatched
        ),
    ]
    if problems:
        more = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
        raise WeightsError(f"The weights in {folder} do not fit the network: {problems[0]}{more}.")


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keep progress bars and tables off stderr: problems are raised as errors instead."""
    from transformers.utils import logging as transformers_logging

    verbosity, had_bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bar:
            transformers_logging.enable_progress_bar()
