"""The transformers of the U-Net: within a frame, along time, and over the planes of the scene (MPI)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from any2bokeh.render.diffusion.blocks import (
    NORM_GROUPS,
    FeedForward,
    NumberEmbedding,
    TimeMixer,
    embed_number,
)
from any2bokeh.settings.weights_settings import KPrecision

BLUR_FREQUENCIES = 16
BLUR_TEMPERATURE = 100


@dataclass(frozen=True)
class PlaneTokens:
    """The picture as tokens at one level of the U-Net, and which of them are near enough to the focal plane.

    ``tokens`` is ``BT N C``; ``attended`` is ``BT 1 1 2N`` bool over the keys of ``MPIAttention``, the
    block's own tokens (always attended) before these, or ``None`` where all are.
    """

    tokens: Tensor
    attended: Tensor | None


@dataclass(frozen=True)
class Conditioning:
    """What every block is told besides its input, for B clips of T frames.

    ``time`` is ``BT E``, ``embeds`` (of each frame) ``BT D``, ``blur`` (the embedding of K) ``BT 32``.
    ``planes`` holds the tokens of each level, or ``None`` where they are not attended to at all.
    ``gates`` off leaves out the gated part of the fusers. ``mix_clips``: see ``temporal_context``.
    """

    frames: int
    time: Tensor
    embeds: Tensor
    blur: Tensor
    planes: tuple[PlaneTokens, ...] | None
    gates: bool = True
    mix_clips: bool = False


def embed_blur(blur_strength: Tensor, precision: KPrecision = "float32") -> Tensor:
    """Sines and cosines of K, interleaved: ``... -> ... 32``, float32.

    ``blur_strength`` is K in pixels of the working frame; frequencies run from 1 to 100. At K = 28 phases
    reach 2800, so rounding them changes the embedding: ``precision`` says how the checkpoint was trained
    (``float16_exponents``: only the frequencies' exponents were rounded).
    """
    # On the CPU, since devices round a linspace in half precision differently.
    stored = torch.float32 if precision == "float32" else torch.float16
    exponents = torch.linspace(0, 1, BLUR_FREQUENCIES, dtype=stored).to(blur_strength.device)
    computed = torch.float16 if precision == "float16" else torch.float32
    phases = blur_strength.to(computed)[..., None] * BLUR_TEMPERATURE ** exponents.to(computed)
    return torch.stack([phases.sin(), phases.cos()], dim=-1).flatten(-2).float()


class Attention(nn.Module):
    """Multi-head attention; queries, keys and values without bias, as in Stable Diffusion."""

    def __init__(self, channels: int, heads: int, context_channels: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_channels or channels, channels, bias=False)
        self.to_v = nn.Linear(context_channels or channels, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, queries: Tensor, keys: Tensor, attended: Tensor | None = None) -> Tensor:
        """Attend from ``B N C`` to ``B M C``; ``attended`` is ``B 1 1 M`` bool. Returns ``B N C``."""
        q, k, v = (
            tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for tokens in (self.to_q(queries), self.to_k(keys), self.to_v(keys))
        )
        result = scaled_dot_product_attention(q, k, v, attn_mask=attended)
        return self.to_out[0](result.transpose(1, 2).flatten(2))


class SingleKeyAttention(Attention):
    """Cross-attention to a single key: softmax over one is 1, so all queries get the same value.

    ``to_q`` and ``to_k`` are in the published weights and have no effect.
    """

    def forward(self, context: Tensor) -> Tensor:  # type: ignore[override]
        """The term added to each token, ``... C``, for the context ``... D``."""
        return self.to_out[0](self.to_v(context))


class MPIAttention(nn.Module):
    """The fuser: tells a block how strong the blur is, and lets it attend to the planes around the focus.

    The K token is not gated; attention and feed-forward are, by ``tanh`` of a learned number that starts
    at 0. ``ff_k`` is in the published weights and has no effect.
    """

    def __init__(self, channels: int, heads: int, plane_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(plane_channels, channels)
        self.k_encoder = nn.Linear(2 * BLUR_FREQUENCIES, channels)
        self.mpi_attn = Attention(channels, heads)
        self.ff = FeedForward(channels)
        self.ff_k = FeedForward(channels)
        self.norm1, self.norm2, self.norm_k = (nn.LayerNorm(channels) for _ in range(3))
        self.alpha_attn = nn.Parameter(torch.tensor(0.0))
        self.alpha_dense = nn.Parameter(torch.tensor(0.0))

    def forward(self, tokens: Tensor, blur: Tensor, planes: PlaneTokens | None, gates: bool) -> Tensor:
        """Return ``BT N C`` for ``tokens`` of that shape and the embedding of K, ``BT 32``.

        Without ``planes`` a block attends to its own tokens only, which equals masking all of the planes'.
        """
        tokens = tokens + self.k_encoder(blur)[:, None]
        if not gates:
            return tokens
        keys = own = self.norm1(tokens)
        if planes is not None:
            keys = torch.cat([own, self.norm1(self.linear(planes.tokens))], dim=1)
        attention = self.mpi_attn(own, keys, planes.attended if planes else None)
        tokens = tokens + self.alpha_attn.tanh() * attention
        return tokens + self.alpha_dense.tanh() * self.ff.of_two(self.norm2(tokens), self.norm_k(tokens))


class SpatialBlock(nn.Module):
    """Attention within each frame, with the fuser between self- and cross-attention.

    ``norm2`` is in the published weights; before attention to a single key it has no effect.
    """

    def __init__(self, channels: int, heads: int, context_channels: int, plane_channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        self.attn1 = Attention(channels, heads)
        self.fuser = MPIAttention(channels, heads, plane_channels)
        self.attn2 = SingleKeyAttention(channels, heads, context_channels)
        self.ff = FeedForward(channels)

    def forward(self, tokens: Tensor, told: Conditioning, level: int) -> Tensor:
        """Return ``BT N C`` for ``tokens`` of that shape."""
        normed = self.norm1(tokens)
        tokens = tokens + self.attn1(normed, normed)
        planes = told.planes[level] if told.planes else None
        tokens = self.fuser(tokens, told.blur, planes, told.gates)
        tokens = tokens + self.attn2(told.embeds)[:, None]
        return tokens + self.ff(self.norm3(tokens))


class TemporalBlock(nn.Module):
    """Attention of each place along time. ``norm2`` has no effect, as in ``SpatialBlock``."""

    def __init__(self, channels: int, heads: int, context_channels: int) -> None:
        super().__init__()
        self.norm_in, self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(4))
        self.ff_in = FeedForward(channels)
        self.attn1 = Attention(channels, heads)
        self.attn2 = SingleKeyAttention(channels, heads, context_channels)
        self.ff = FeedForward(channels)

    def forward(self, tokens: Tensor, told: Conditioning) -> Tensor:
        """Return ``BT N C`` for ``tokens`` of that shape."""
        along = tokens.unflatten(0, (-1, told.frames)).transpose(1, 2)  # B N T C
        clips, places = along.shape[:2]
        along = along.flatten(0, 1)
        along = along + self.ff_in(self.norm_in(along))
        normed = self.norm1(along)
        along = along + self.attn1(normed, normed)
        along = along + temporal_context(self.attn2, told, places)
        along = along + self.ff(self.norm3(along))
        return along.unflatten(0, (clips, places)).transpose(1, 2).flatten(0, 1)


def temporal_context(attention: SingleKeyAttention, told: Conditioning, places: int) -> Tensor:
    """What temporal cross-attention adds, ``BN 1 C``: it sees the embedding of each clip's first frame.

    With ``mix_clips``, place ``i`` of all the places of all clips sees that of clip ``i mod B``, as the
    published code had it for several clips at once; otherwise, each place sees its own clip's.
    """
    of_clip = attention(told.embeds[:: told.frames])  # B C
    clips = len(of_clip)
    seen = torch.arange(clips * places, device=of_clip.device)
    seen = seen % clips if told.mix_clips else seen // places
    return of_clip[seen, None]


class SpatioTemporalTransformer(nn.Module):
    """One block within frames and one along time, mixed by a learned share, around a residual."""

    def __init__(
        self, channels: int, heads: int, context_channels: int, plane_channels: int, groups: int = NORM_GROUPS
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            [SpatialBlock(channels, heads, context_channels, plane_channels)]
        )
        self.temporal_transformer_blocks = nn.ModuleList([TemporalBlock(channels, heads, context_channels)])
        self.time_pos_embed = NumberEmbedding(channels, 4 * channels, channels)
        self.time_mixer = TimeMixer()
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, features: Tensor, told: Conditioning, level: int) -> Tensor:
        """Return ``BT C h w`` for ``features`` of that shape, at a level of the U-Net (0: the finest)."""
        height = features.shape[2]
        tokens = self.proj_in(self.norm(features).flatten(2).transpose(1, 2))  # BT N C
        spatial = self.transformer_blocks[0](tokens, told, level)
        numbers = torch.arange(told.frames, device=tokens.device)
        position = embed_number(numbers, tokens.shape[-1]).to(tokens.dtype)
        position = self.time_pos_embed(position).repeat(len(tokens) // told.frames, 1)  # BT C
        temporal = self.temporal_transformer_blocks[0](spatial + position[:, None], told)
        tokens = self.proj_out(self.time_mixer(spatial, temporal))
        return features + tokens.transpose(1, 2).unflatten(2, (height, -1))


def plane_attendance(labels: Tensor, farthest: int, size: tuple[int, int]) -> Tensor:
    """Which tokens of a level belong to planes 0 to ``farthest``: ``BT N`` bool.

    ``labels`` are ``BT 1 H W`` planes of pixels; ``size`` is ``h w`` of the level. A token belongs if more
    than half of the central 2x2 pixels of its cell do (the rule of bilinear resizing).
    """
    belongs = (labels <= farthest).to(torch.float32)
    resized = nn.functional.interpolate(belongs, size, mode="bilinear", align_corners=False)
    return resized.flatten(1) > 0.5
