"""The compact disparity network: small enough to ship in the package, and to run on any CPU.

Its encoder is EfficientNet-Lite2 (Tan and Le, "EfficientNet", 2019; the Lite variants by Google), which was
trained to name the things in photographs; docs/compact.md says what became of it here.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, relu, relu6, scaled_dot_product_attention

from any2bokeh.depth.estimator import check_disparity, check_pictures
from any2bokeh.weights.checkpoint import load_weights

WEIGHTS = Path(__file__).with_name("compact.safetensors")
SHORTER_SIDE = 224  # pixels of the pictures that it sees, about the size of those that it was trained with
MULTIPLE = 32  # pixels to a side of the coarsest cells: the sides of a picture must be multiples of this
IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # the encoder was shown such


@dataclass(frozen=True, kw_only=True)
class EncoderStage:
    """So many blocks of one ``width``, inside ``growth`` times as wide; the first steps by ``stride``."""

    blocks: int
    kernel: int
    stride: int
    growth: int
    width: int


LITE2 = (
    EncoderStage(blocks=1, kernel=3, stride=1, growth=1, width=16),
    EncoderStage(blocks=3, kernel=3, stride=2, growth=6, width=24),
    EncoderStage(blocks=3, kernel=5, stride=2, growth=6, width=48),
    EncoderStage(blocks=4, kernel=3, stride=2, growth=6, width=88),
    EncoderStage(blocks=4, kernel=5, stride=1, growth=6, width=120),
    EncoderStage(blocks=5, kernel=5, stride=2, growth=6, width=208),
    EncoderStage(blocks=1, kernel=3, stride=1, growth=6, width=352),
)


@dataclass(frozen=True, kw_only=True)
class CompactDims:
    """Channels and blocks. ``decoder`` holds the channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the sides."""

    stem: int = 32
    stages: tuple[EncoderStage, ...] = LITE2
    decoder: tuple[int, int, int, int, int] = (16, 48, 80, 112, 144)
    attentions: int = 2
    heads: int = 4
    head: int = 16

    def taps(self) -> tuple[int, ...]:
        """The last stage of each size: those before one that steps down, and the last of all."""
        following = [stage.stride for stage in self.stages[1:]] + [2]
        return tuple(number for number, stride in enumerate(following) if stride == 2)


@dataclass(frozen=True, eq=False)
class CompactView:
    """A look at pictures: features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the sides, and raw disparity at 1/2."""

    encoded: list[Tensor]
    decoded: list[Tensor]
    disparity: Tensor


class CompactNetwork(nn.Module):
    """An encoder down to 1/32 of the sides, attention over the whole picture there, and a decoder back.

    The attention also knows where in the picture each cell is, as lower things are mostly nearer.
    """

    def __init__(self, dims: CompactDims | None = None) -> None:
        super().__init__()
        dims = dims or CompactDims()
        widths = dims.decoder
        self.encoder = Encoder(dims)
        seen = [dims.stages[tap].width for tap in dims.taps()]
        self.coarsest = nn.Conv2d(seen[4] + 2, widths[4], 1)
        self.around = nn.ModuleList(GlobalAttention(widths[4], dims.heads) for _ in range(dims.attentions))
        self.refine = Residual(widths[4])
        self.lateral = nn.ModuleList(nn.Conv2d(seen[level], widths[level], 1) for level in range(4))
        self.reduce = nn.ModuleList(nn.Conv2d(widths[level + 1], widths[level], 1) for level in range(4))
        self.blocks = nn.ModuleList(Residual(widths[level]) for level in range(1, 4))
        self.head = nn.ModuleList([nn.Conv2d(widths[0], dims.head, 3, padding=1), nn.Conv2d(dims.head, 1, 1)])

    def forward(self, pictures: Tensor) -> Tensor:
        """Return raw disparity ``B 1 H/2 W/2`` of R'G'B' ``B 3 H W`` in 0..1; H and W multiples of 32."""
        return self.look(pictures).disparity

    def look(self, pictures: Tensor) -> "CompactView":
        """Return the disparity of pictures as ``forward`` does, and all that led to it."""
        encoded = self.encoder(pictures)
        x = self.coarsest(torch.cat([encoded[4], places_of(encoded[4])], dim=1))
        for attention in self.around:
            x = attention(x)  # B 144 H/32 W/32
        x = self.refine(x)
        decoded = [x]
        for level in (3, 2, 1, 0):
            seen = encoded[level]
            x = interpolate(self.reduce[level](x), size=seen.shape[2:], mode="bilinear")
            x = x + self.lateral[level](seen)
            if level:  # at half the sides a block costs more than it helps
                x = self.blocks[level - 1](x)
            decoded.insert(0, x)
        return CompactView(encoded, decoded, self.head[1](relu(self.head[0](relu(x)))))


def places_of(cells: Tensor) -> Tensor:
    """How far down and how far right each cell of ``B C h w`` is, -1 to 1: ``B 2 h w``."""
    batch, _, height, width = cells.shape
    down, right = (
        torch.linspace(-1, 1, side, dtype=cells.dtype, device=cells.device) for side in (height, width)
    )
    return torch.stack(torch.meshgrid(down, right, indexing="ij")).expand(batch, 2, height, width)


class SameConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow does: at stride 2 one column and one row more behind than before."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """``B C H W`` to ``B D H/stride W/stride``."""
        if self.stride[0] == 2:
            before = (self.kernel_size[0] - 2) // 2
            x = pad(x, (before, self.kernel_size[0] - 2 - before) * 2)
        return super().forward(x)


class InvertedResidual(nn.Module):
    """Wider, looked at channel by channel, and narrow again (Sandler et al., "MobileNetV2", 2018).

    The normalization of its convolutions is folded into their weights.
    """

    def __init__(self, inputs: int, stage: EncoderStage, stride: int) -> None:
        super().__init__()
        inside = inputs * stage.growth
        self.expand = SameConvolution(inputs, inside, 1) if stage.growth > 1 else None
        self.depthwise = SameConvolution(inside, inside, stage.kernel, stride=stride, groups=inside)
        self.project = SameConvolution(inside, stage.width, 1)
        self.adds = stride == 1 and inputs == stage.width

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to ``B D h/stride w/stride``."""
        inside = relu6(self.expand(x), inplace=True) if self.expand is not None else x
        result: Tensor = self.project(relu6(self.depthwise(inside), inplace=True))
        return x + result if self.adds else result


class Encoder(nn.Module):
    """What the picture shows, at five sizes."""

    def __init__(self, dims: CompactDims) -> None:
        super().__init__()
        self.stem = SameConvolution(3, dims.stem, 3, stride=2)
        widths = (dims.stem, *(stage.width for stage in dims.stages))
        self.stages = nn.ModuleList(
            nn.Sequential(
                InvertedResidual(before, stage, stage.stride),
                *(InvertedResidual(stage.width, stage, 1) for _ in range(stage.blocks - 1)),
            )
            for before, stage in zip(widths, dims.stages, strict=False)
        )
        self._taps = dims.taps()

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return ``B C h w`` at 1/2, 1/4, 1/8, 1/16 and 1/32 of the sides of pictures ``B 3 H W``."""
        mean, spread = (pictures.new_tensor(part)[:, None, None] for part in (IMAGENET_MEAN, IMAGENET_SPREAD))
        x = relu6(self.stem((pictures - mean) / spread), inplace=True)
        levels = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in self._taps:
                levels.append(x)
        return levels


class Residual(nn.Module):
    """Two convolutions whose result is added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to the same."""
        result: Tensor = x + self.second(relu(self.first(relu(x))))
        return result


class GlobalAttention(nn.Module):
    """Every cell looks at all others."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to the same."""
        batch, width, rows, columns = x.shape
        cells = x.flatten(2).transpose(1, 2)  # B hw C
        qkv = self.qkv(self.norm(cells)).view(batch, rows * columns, 3, self.heads, -1)
        seen = scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        cells = cells + self.out(seen.transpose(1, 2).reshape(batch, rows * columns, width))
        cells = cells + self.mlp(self.norm2(cells))
        result: Tensor = cells.transpose(1, 2).reshape(batch, width, rows, columns)
        return result


class CompactEstimator:
    """The loaded network."""

    def __init__(self, network: CompactNetwork) -> None:
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def estimate(self, pictures: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the raw disparity ``T 1 h w`` of pictures; see ``any2bokeh.depth.estimator.Estimator``."""
        check_pictures(pictures)
        weight = self._network.coarsest.weight
        sides = [max(1, round(side / MULTIPLE)) * MULTIPLE for side in size]
        with torch.no_grad():
            seen = interpolate(pictures.to(weight.device), sides, mode="bilinear", antialias=True)
            seen = seen.to(weight.dtype).contiguous(memory_format=torch.channels_last)
            disparity = self._network(seen).float().contiguous()
        check_disparity(disparity, weight.dtype)
        return interpolate(disparity, size, mode="bilinear", antialias=True)


def load_compact(device: torch.device, dtype: torch.dtype, path: Path | None = None) -> CompactEstimator:
    """Return the network with the weights in ``path``, by default those that ship with the package.

    Raises ``WeightsError`` for weights that are damaged or do not fit.
    """
    network = CompactNetwork()
    load_weights(network, path or WEIGHTS, device=device, dtype=dtype)
    return CompactEstimator(network.eval())


def revision() -> str:
    """Return a hash of the weights and of the size that it sees: it tells its results from all others."""
    with WEIGHTS.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(repr(SHORTER_SIDE).encode())
    return digest.hexdigest()[:40]
