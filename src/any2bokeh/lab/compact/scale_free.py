"""How far a guess is from the ground truth when its scale and shift do not count."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, softplus

LEAST_SPREAD = 0.05  # flatter scenes do not count for more
SCALES = 4
TAMED = 2.5  # larger errors, in mean deviations, count by their square root
GRADIENT_WEIGHT, ORDER_WEIGHT = 0.35, 0.5
PAIRS = 2000  # of points in a picture, whose order is asked: half of them anywhere, half of them neighbors
APART = 0.15  # in mean deviations: nearer disparities have no order
NEIGHBORHOOD = 6  # neighbors are within so much of the height
STEEPNESS = 4.0


def depth_loss(guess: Tensor, truth: Tensor, known: Tensor, points: torch.Generator) -> Tensor:
    """Return the loss of guesses ``B 1 H W`` for truths where they are ``known``, 0 or 1.

    The terms: the error after the scale and shift of each picture are taken away, that of its gradients at
    four scales (Ranftl et al., "Towards robust monocular depth estimation", 2020), and how often the farther
    of two points, drawn from ``points``, is said to be the nearer (Chen et al., "Single-image depth
    perception in the wild", 2016).
    """
    aligned, wanted = _standard(guess, known), _standard(truth, known)
    error = aligned - wanted
    beyond = (error.abs() - TAMED).clamp(min=0)
    value = error.abs().clamp(max=TAMED) + 2 * (beyond + 0.25).sqrt() - 1
    gradient = sum(_gradients(error, known), start=error.new_zeros(()))
    order = _order(aligned, wanted, known, points)
    return (
        (value * known).sum() / known.sum().clamp(min=1) + GRADIENT_WEIGHT * gradient + ORDER_WEIGHT * order
    )


def _standard(disparity: Tensor, known: Tensor) -> Tensor:
    """Without the picture's shift and scale: its mean, and its mean distance from it."""
    count = known.sum((1, 2, 3), keepdim=True).clamp(min=1)
    moved = disparity - (disparity * known).sum((1, 2, 3), keepdim=True) / count
    return moved / ((moved.abs() * known).sum((1, 2, 3), keepdim=True) / count).clamp(min=LEAST_SPREAD)


def _gradients(error: Tensor, known: Tensor) -> list[Tensor]:
    terms = []
    for scale in range(SCALES):
        if scale:
            share = avg_pool2d(known, 2)
            error = avg_pool2d(error * known, 2) / share.clamp(min=1e-3)
            known = (share > 0.5).to(error.dtype)
            error = error * known
        for dim in (2, 3):
            both = known.narrow(dim, 1, known.shape[dim] - 1) * known.narrow(dim, 0, known.shape[dim] - 1)
            terms.append((error.diff(dim=dim).abs() * both).sum() / both.sum().clamp(min=1))
    return terms


def _order(guess: Tensor, truth: Tensor, known: Tensor, points: torch.Generator) -> Tensor:
    """How clearly pairs of points are in the wrong order."""
    batch, _, height, width = guess.shape
    rows, columns = (torch.randint(side, (2, batch, PAIRS), generator=points) for side in (height, width))
    near = PAIRS // 2
    reach = max(1, height // NEIGHBORHOOD)
    for places, side in ((rows, height), (columns, width)):
        shift = torch.randint(-reach, reach + 1, (batch, near), generator=points)
        places[1, :, :near] = (places[0, :, :near] + shift).clamp(0, side - 1)
    first, second = (rows * width + columns).to(guess.device)

    def pair(values: Tensor) -> tuple[Tensor, Tensor]:
        flat = values.flatten(1)
        return flat.gather(1, first), flat.gather(1, second)

    guesses, truths, there = (pair(values) for values in (guess, truth, known))
    apart = truths[0] - truths[1]
    counts = there[0] * there[1] * (apart.abs() > APART)
    wrong = softplus(-STEEPNESS * (guesses[0] - guesses[1]) * apart.sign()) / STEEPNESS
    return (wrong * counts).sum() / counts.sum().clamp(min=1)


def fit_scale_shift(guess: Tensor, truth: Tensor) -> tuple[float, float]:
    """Return the scale and the shift that take ``guess`` nearest to ``truth`` by least squares.

    Both are of one shape. The scale of a guess of one value is 0.
    """
    x, y = guess.flatten().double(), truth.flatten().double()
    moved = x - x.mean()
    spread = float(moved.square().mean())
    scale = float((moved * (y - y.mean())).mean()) / spread if spread > 1e-12 else 0.0
    return scale, float(y.mean() - scale * x.mean())


def fitted_error(guess: Tensor, truth: Tensor) -> float:
    """Return the mean absolute error of ``guess`` after the least-squares scale and shift."""
    scale, shift = fit_scale_shift(guess, truth)
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
