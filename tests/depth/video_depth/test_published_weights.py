"""With the published weights, for those who have them: ``pytest -m weights``.

Made-up weights cannot tell how much depth flickers. The limits are expectations; nobody has run this yet.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from any2bokeh.depth.networks import find_network
from any2bokeh.depth.normalize import DisparityRange, normalize
from any2bokeh.depth.video_depth.video_network import VideoDepthNetwork
from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.shots import ReducedFrame
from any2bokeh.settings.depth_settings import DepthSettings

CPU = torch.device("cpu")
FRAMES, HEIGHT, WIDTH = 60, 196, 350
SQUARE = slice(70, 150)


@pytest.fixture
def room() -> list[Tensor]:
    """A floor, a wall and a square that crosses them, with the noise of a sensor; the camera stands still."""
    random = torch.Generator().manual_seed(0)
    texture = torch.rand(3, HEIGHT // 7, WIDTH // 7, generator=random).repeat_interleave(7, 1)
    wall = 0.3 + 0.3 * texture.repeat_interleave(7, 2)
    wall[:, 120:] = 0.5 * wall[:, 120:] + 0.4 * torch.linspace(0, 1, HEIGHT - 120)[:, None]
    pictures = []
    for number in range(FRAMES):
        picture = wall.clone()
        picture[:, SQUARE, 4 * number : 4 * number + 60] = torch.tensor([0.9, 0.6, 0.2]).view(3, 1, 1)
        pictures.append((picture + 0.02 * torch.randn(picture.shape, generator=random)).clamp(0, 1))
    return pictures


def flicker_of(disparity: Tensor) -> float:
    """How much normalized disparity changes from frame to frame above the square, where nothing moves."""
    limits = DisparityRange()
    limits.add(disparity)
    still = normalize(disparity, limits.limits())[:, : SQUARE.start - 20]
    return float(still.diff(dim=0).abs().mean())


def frames_of(pictures: list[Tensor]) -> Iterator[ReducedFrame]:
    for number, picture in enumerate(pictures):
        prepared = prepare_picture(picture)
        yield ReducedFrame(pts=number, picture=picture, prepared=prepared, starts_shot=number == 0)


@pytest.mark.weights
def test_depth_flickers_less_than_that_of_single_frames(
    room: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = find_network(DepthSettings(model="video"), CPU)
    estimates = network.load((HEIGHT, WIDTH), CPU, torch.float32)
    together = flicker_of(torch.stack([torch.from_numpy(one) for one in estimates(frames_of(room))]))

    decode = VideoDepthNetwork.decode

    def alone(network: VideoDepthNetwork, maps: tuple[Tensor, ...]) -> Tensor:
        return torch.cat([decode(network, tuple(level[i : i + 1] for level in maps)) for i in range(32)])

    monkeypatch.setattr(VideoDepthNetwork, "decode", alone)
    apart = flicker_of(torch.stack([torch.from_numpy(one) for one in estimates(frames_of(room))]))
    found = f"{1000 * together:.2f} thousandths of the range, of single frames {1000 * apart:.2f}"
    assert together < min(0.005, 0.5 * apart), found
