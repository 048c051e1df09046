"""How well two disparities agree where scale and shift do not count."""

from torch import Tensor


def fit(guess: Tensor, truth: Tensor) -> tuple[float, float]:
    """Return the scale and the shift that bring ``guess`` nearest to ``truth`` by least squares.

    Both are of one shape. The scale of a guess of one value is 0.
    """
    x, y = guess.flatten().double(), truth.flatten().double()
    moved = x - x.mean()
    spread = float(moved.square().mean())
    scale = float((moved * (y - y.mean())).mean()) / spread if spread > 1e-12 else 0.0
    return scale, float(y.mean() - scale * x.mean())


def fitted_error(guess: Tensor, truth: Tensor) -> float:
    """Return the mean absolute error of ``guess`` after the scale and shift that ``fit`` finds."""
    scale, shift = fit(guess, truth)
    return float((scale * guess.double() + shift - truth.double()).abs().mean())


def rank_correlation(guess: Tensor, truth: Tensor) -> float:
    """Return Spearman's rank correlation of two tensors of one shape; 0 if one of them has one value."""
    x, y = (_ranks(values.flatten()) for values in (guess, truth))
    x, y = x - x.mean(), y - y.mean()
    spread = (x.square().mean() * y.square().mean()).sqrt()
    return float((x * y).mean() / spread) if spread > 0 else 0.0


def _ranks(values: Tensor) -> Tensor:
    """The rank of each value; equal values share the mean of theirs."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    ranks: Tensor = (ends - (counts - 1) / 2)[inverse]
    return ranks
