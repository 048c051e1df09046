"""Whether the MPI tokens of a checkpoint were masked while it was trained: found from its weights.

A linear layer starts uniform within 1/sqrt(inputs). ``fuser.linear``, which makes the MPI tokens, gets no
gradient while they are masked: the optimizer's decay can only shrink it. Where they take part, it is
trained, and values that began near the bound cross it. ``fuser.ff_k`` is in no computation and never
trained: it shows where untouched weights end in this very file, rounding and all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from any2bokeh.errors import WeightsError
from any2bokeh.settings.weights_settings import MaskMode
from any2bokeh.weights.tensors import TensorFile

_LINEAR = ".fuser.linear.weight"
_CONTROLS = (".fuser.ff_k.net.0.proj.weight", ".fuser.ff_k.net.2.weight")

# Untouched weights reach the bound (of n values the largest misses it by 1/n) and pass it only by rounding.
_UNTOUCHED = (0.9, 1.01)
# A rounded copy of the published weights differs from them by less than 2 steps of float16; training
# moves conv_in_mpi by a percent in its first 300 steps.
_PROPORTIONAL, _MOVED = 2 * torch.finfo(torch.float16).eps, 5e-3


@dataclass(frozen=True, kw_only=True)
class FuserEvidence:
    """One fuser: its largest values in units of the initial bound, and how many of ``linear`` are beyond.

    ``beyond`` counts the values of ``linear`` that are larger than untouched ones can be.
    """

    name: str
    bound: float
    linear: float
    control: float
    beyond: int
    values: int

    @property
    def is_trained(self) -> bool:
        """Whether ``linear`` left its initial range for good: a single stray value proves nothing."""
        return self.beyond >= max(3, 1e-4 * self.values)


@dataclass(frozen=True, kw_only=True)
class ConvEvidence:
    """``conv_in_mpi`` beside Stable Video Diffusion's ``conv_in``, a copy of which it starts as.

    ``scale`` is the multiple that fits best, ``residual`` what it leaves, relative to the weights.
    """

    scale: float
    residual: float

    @property
    def is_trained(self) -> bool | None:
        """Whether it moved away from the copy; ``None`` where the numbers do not say."""
        if self.residual <= _PROPORTIONAL:
            return False
        return True if self.residual >= _MOVED else None


@dataclass(frozen=True, kw_only=True)
class MaskEvidence:
    """The evidence of the mask mode in the weights."""

    fusers: tuple[FuserEvidence, ...]
    conv_in: ConvEvidence | None

    @property
    def fusers_trained(self) -> bool | None:
        """Whether the fusers' MPI parts were trained; ``None`` where they do not say."""
        low, high = _UNTOUCHED
        if not all(low <= fuser.control <= high for fuser in self.fusers):
            return None  # these weights did not start as linear layers do
        trained = sum(fuser.is_trained for fuser in self.fusers)
        if trained > len(self.fusers) / 2:
            return True
        return None if trained else False

    @property
    def is_trained(self) -> bool | None:
        """What both tests say together; the fusers, of which there are more, come first."""
        if self.fusers_trained is not None or self.conv_in is None:
            return self.fusers_trained
        return self.conv_in.is_trained

    @property
    def mode(self) -> MaskMode:
        """The mode the weights ask for: "paper" only where training of the MPI tokens shows."""
        return "paper" if self.is_trained else "released"

    @property
    def is_clear(self) -> bool:
        """Whether the tests say something, and do not contradict each other."""
        verdicts = {self.fusers_trained, self.conv_in.is_trained if self.conv_in else None} - {None}
        return len(verdicts) == 1

    def sentences(self) -> list[str]:
        """Return the evidence in words and numbers."""
        trained = sum(fuser.is_trained for fuser in self.fusers)
        beyond = sum(fuser.beyond for fuser in self.fusers) / sum(fuser.values for fuser in self.fusers)
        controls = [fuser.control for fuser in self.fusers]
        lines = [
            f"fuser.linear left its initial range in {trained} of {len(self.fusers)} fusers:"
            f" {beyond:.2%} of its values are beyond, the largest at"
            f" {max(fuser.linear for fuser in self.fusers):.4f} of the bound {self.fusers[0].bound:.5f}",
            f"ff_k, which is never trained, ends at {min(controls):.4f} to {max(controls):.4f} of its bound",
        ]
        if self.fusers_trained is None:
            lines.append("this does not tell whether the MPI tokens were masked in training")
        if self.conv_in:
            found = {True: "trained", False: "a scaled copy", None: "neither a copy nor clearly trained"}
            lines.append(
                f"conv_in_mpi is {found[self.conv_in.is_trained]}: {self.conv_in.scale:.5f} times SVD's"
                f" conv_in leaves {self.conv_in.residual:.2%}"
            )
        return lines


def find_evidence(unet: TensorFile, svd_unet: Path | None = None) -> MaskEvidence:
    """Measure the U-Net's fusers and, where SVD's U-Net is at hand, ``conv_in_mpi`` beside its ``conv_in``.

    Raises ``WeightsError`` if ``svd_unet`` is not the U-Net of Stable Video Diffusion.
    """
    return MaskEvidence(
        fusers=tuple(_measure_fusers(unet)),
        conv_in=_compare_conv_in(unet, svd_unet) if svd_unet else None,
    )


def _measure_fusers(unet: TensorFile) -> Iterator[FuserEvidence]:
    for key in unet.shapes:
        if not key.endswith(_LINEAR):
            continue
        name = key.removesuffix(_LINEAR)
        control = max(_in_bounds(unet.read(name + end)).max().item() for end in _CONTROLS)
        linear = _in_bounds(weight := unet.read(key))
        rounding = max(torch.finfo(dtype).eps for dtype in (weight.dtype, torch.float16))
        allowed = max(control, 1 + rounding)  # float32 files may have been float16 before
        yield FuserEvidence(
            name=name,
            bound=_bound(weight),
            linear=linear.max().item(),
            control=control,
            beyond=int((linear > allowed).sum()),
            values=linear.numel(),
        )


def _bound(weight: Tensor) -> float:
    """Return where torch's uniform initialization of a linear layer ends: 1/sqrt(inputs)."""
    return 1 / sqrt(weight.shape[1])


def _in_bounds(weight: Tensor) -> Tensor:
    """Return the magnitudes of a linear layer's weights in units of their initial bound."""
    return weight.float().abs() / _bound(weight)


def _compare_conv_in(unet: TensorFile, svd_unet: Path) -> ConvEvidence:
    copy = unet.read("conv_in_mpi.weight").double()
    try:
        with safe_open(svd_unet, framework="pt") as file:
            original = file.get_tensor("conv_in.weight").double()[:, : copy.shape[1]]
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{svd_unet} is not the U-Net of Stable Video Diffusion: {error}",
            hint="Give `svd` the unet/diffusion_pytorch_model.safetensors of its repository.",
        ) from error
    if original.shape != copy.shape:
        raise WeightsError(
            f"conv_in in {svd_unet} has the shape {list(original.shape)} instead of {list(copy.shape)}."
        )
    scale = float((copy * original).sum() / original.square().sum())
    residual = float((copy - scale * original).norm() / copy.norm())
    return ConvEvidence(scale=scale, residual=residual)
