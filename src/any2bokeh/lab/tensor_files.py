"""Tensors in a safetensors file, written whole."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from any2bokeh.atomic import folder_beside, partial_file
from any2bokeh.errors import RefocusError, WeightsError


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    error_class: type[RefocusError] = WeightsError,
) -> None:
    """Write tensors to ``path``, in place of a file of that name; it appears when it is complete.

    Raises ``error_class`` if it cannot be written.
    """
    with (
        partial_file(path, overwrite=True, error_class=error_class) as partial,
        folder_beside(path) as folder,
    ):
        # The library writes to a file of its own beside this one, which only its owner may read.
        written = folder / "tensors"
        save_file(dict(tensors), written, dict(metadata or {}))
        shutil.copymode(partial, written)
        os.replace(written, partial)
