"""Weights read and written one tensor after the other: no file is ever held in memory as a whole."""

import hashlib
import json
import math
import pickle
import re
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from any2bokeh.errors import WeightsError
from any2bokeh.progress import OnCount, ignore

_LARGEST_HALF = torch.finfo(torch.float16).max
# Numbers of eight bits belong to a scale, and files do not agree where that is written.
_WEIGHT_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_FORMATS = {torch.float16: "F16", torch.float32: "F32"}


@dataclass(frozen=True)
class TensorFile:
    """An open file of weights: the shape of every tensor, and the tensors on demand, on the CPU.

    ``name`` is what messages call the file.
    """

    name: str
    shapes: Mapping[str, list[int]]
    read: Callable[[str], Tensor]


@contextmanager
def open_tensors(path: Path, name: str) -> Iterator[TensorFile]:
    """Open safetensors, or a ``.bin`` through torch's weights-only loader, which runs no code.

    Messages call the file ``name``. Raises ``WeightsError`` for a file that is damaged, or a pickle that
    holds more than tensors.
    """
    if path.suffix != ".safetensors":
        state = _read_pickle(path, name)
        yield TensorFile(name, {key: list(tensor.shape) for key, tensor in state.items()}, state.__getitem__)
        return
    try:
        opened = safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The weights {name} cannot be read: {error}") from error
    with opened as file:
        yield TensorFile(name, shapes_in(file), file.get_tensor)


def shapes_in(file: Any) -> dict[str, list[int]]:
    """Return the shape of every tensor in an open safetensors file."""
    return {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118


def _read_pickle(path: Path, name: str) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of protocols: errors are raised
            state = _load_pickle(path)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"holds more than tensors ({found[1]})" if found else "is damaged, or holds more than tensors"
        raise WeightsError(f"{name} {what}: it is refused, and no code in it was run.") from error
    except Exception as error:  # a damaged pickle, or a member of its zip, fails in any way
        raise WeightsError(f"The weights {name} cannot be read: {_first_line(error)}") from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f"{name} must be a table of tensors by name, got {type(state).__name__}.")
    return state


def _load_pickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # the format before torch 1.6 cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A file just written: its hash, and the tensors that half precision could not hold."""

    sha256: str
    kept_in_single: frozenset[str]


def write_half(target: Path, tensors: TensorFile, on_progress: OnCount = ignore) -> WrittenFile:
    """Write all of ``tensors`` to the safetensors file ``target`` in float16, one after the other.

    A tensor with a value that float16 cannot hold (beyond 65504) is written in float32. ``on_progress``
    is told of the bytes of every tensor. Raises ``WeightsError`` for values that are not numbers.
    """
    written = _write(target, tensors, frozenset(), on_progress)
    if written.kept_in_single:  # rare, and only known now: once more, with room for these
        written = _write(target, tensors, written.kept_in_single, on_progress)
    return written


def write_single(target: Path, tensors: TensorFile, on_progress: OnCount = ignore) -> WrittenFile:
    """Write all of ``tensors`` to the safetensors file ``target`` in float32; see ``write_half``."""
    return _write(target, tensors, frozenset(tensors.shapes), on_progress)


def _write(target: Path, tensors: TensorFile, in_single: frozenset[str], on_progress: OnCount) -> WrittenFile:
    """Write one pass; ``kept_in_single`` of the result are the tensors that should have been in single."""
    names = sorted(tensors.shapes, key=lambda name: (name not in in_single, name))  # aligned: wide ones first
    dtypes = {name: torch.float32 if name in in_single else torch.float16 for name in names}
    digest = hashlib.sha256()
    too_large = set()
    with target.open("wb") as file:
        for piece in _header(tensors.shapes, dtypes):
            digest.update(piece)
            file.write(piece)
        for name in names:
            tensor = tensors.read(name)
            if largest_magnitude(tensor, f"{name} in {tensors.name}") > _LARGEST_HALF:
                too_large.add(name)
            data = tensor.to(dtypes[name]).contiguous().view(-1).view(torch.uint8).numpy().data
            digest.update(data)
            file.write(data)
            on_progress(len(data))
    return WrittenFile(sha256=digest.hexdigest(), kept_in_single=frozenset(too_large))


def _header(shapes: Mapping[str, list[int]], dtypes: Mapping[str, torch.dtype]) -> tuple[bytes, bytes]:
    """Return how a safetensors file begins: the length of the table in 8 bytes, and the table."""
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, dtype in dtypes.items():
        end = offset + math.prod(shapes[name]) * dtype.itemsize
        table[name] = {"dtype": _FORMATS[dtype], "shape": shapes[name], "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the data begin aligned
    return struct.pack("<Q", len(text)), text


def largest_magnitude(tensor: Tensor, name: str) -> float:
    """Return the largest magnitude in the tensor ``name``; raises ``WeightsError`` if it is no weight."""
    if tensor.dtype not in _WEIGHT_TYPES:
        raise WeightsError(f"{name} has the type {tensor.dtype}, which weights cannot have.")
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    if not math.isfinite(largest):
        raise WeightsError(f"{name} contains values that are not numbers: the file is damaged.")
    return largest


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, under the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
