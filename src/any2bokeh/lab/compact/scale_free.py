"""How far a guess is from the ground truth when its scale and shift do not count."""

from torch import Tensor
from torch.nn.functional import avg_pool2d

LEAST_SPREAD = 0.15  # about that of common scenes: flatter ones do not count for more
SCALES = 4


def depth_loss(guess: Tensor, truth: Tensor) -> Tensor:
    """Return the loss of guesses ``2P 1 H W`` for truths in 0..1; frames 2i and 2i + 1 are a pair.

    Both frames of a pair share one scale and one shift, so a guess that flickers costs. The terms: mean
    absolute error after alignment; that of the gradients, at four scales (Ranftl et al., "Towards robust
    monocular depth estimation", 2020); that of the change between the two frames (Chen et al., "Video
    Depth Anything", 2025); and that of the guess as it is, which keeps its scale.
    """
    shape = (-1, 2, *truth.shape[2:])
    guess, truth = guess.view(shape), truth.view(shape)  # P 2 H W
    aligned, wanted = _standard(guess), _standard(truth)
    error = aligned - wanted
    value = error.abs().mean()
    gradient = sum((_gradient(error, scale) for scale in range(SCALES)), start=error.new_zeros(()))
    change = (error[:, 1] - error[:, 0]).abs()
    # Where an edge passes, the change is that of another surface: only pixels that keep their surface count.
    stays = (truth[:, 1] - truth[:, 0]).abs() < 0.05
    steadiness = (change * stays).mean()
    return value + 0.25 * gradient + 0.3 * steadiness + (guess - truth).abs().mean()


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


def _standard(disparity: Tensor) -> Tensor:
    """Without the pair's shift and scale: its mean, and its mean distance from it."""
    moved = disparity - disparity.mean((1, 2, 3), keepdim=True)
    return moved / moved.abs().mean((1, 2, 3), keepdim=True).clamp(min=LEAST_SPREAD)


def _gradient(error: Tensor, scale: int) -> Tensor:
    if scale:
        error = avg_pool2d(error, 2**scale)
    return error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


def _ranks(values: Tensor) -> Tensor:
    """The rank of each value; equal values share the mean of theirs."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    ranks: Tensor = (ends - (counts - 1) / 2)[inverse]
    return ranks
