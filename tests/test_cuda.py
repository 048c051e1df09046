"""A GPU draws the same as the CPU: the renderers, the compact and the video disparity network, the command.

Skipped where there is no GPU; a job that is to have one runs ``pytest -m cuda``, which fails without it.
``ANY2BOKEH_TEST_CUDA=cpu`` puts the CPU in the GPU's place, which proves these tests but no GPU.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from folders import use_own_folders
from parity import tiny_network
from torch import Tensor
from video_depth import TINY_DIMS, fill_video_network, inputs

from any2bokeh.cli import main
from any2bokeh.depth.compact import SHORTER_SIDE, load_compact
from any2bokeh.depth.video_depth.video_estimator import VideoEstimator
from any2bokeh.depth.video_depth.video_network import VideoDepthNetwork
from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.shots import ReducedFrame
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.render.diffusion.pipeline import DiffusionRenderer
from any2bokeh.render.lens.cpu.compiled_engine import CompiledEngine
from any2bokeh.render.lens.engine import Lens
from any2bokeh.render.lens.renderer import LensRenderer
from any2bokeh.render.lens.torch.torch_engine import TorchEngine
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings, RenderSettings
from any2bokeh.settings.weights_settings import MaskMode
from any2bokeh.video.create import create_video
from any2bokeh.video.decode import open_video

pytestmark = pytest.mark.cuda

CPU = torch.device("cpu")
CODE = 1 / 255
HEIGHT, WIDTH, FRAMES = 72, 128, 10


@pytest.fixture
def scenes() -> list[Scene]:
    """A ground that rises, before it a near block that moves and a thin post; noise with bright lights."""
    picture = torch.rand(3, HEIGHT, WIDTH + FRAMES)
    picture[:, ::9, ::7] = 1.0
    made = []
    for number in range(FRAMES):
        disparity = torch.linspace(0.1, 0.6, HEIGHT).view(1, -1, 1).repeat(1, 1, WIDTH)
        disparity[:, 20:50, 10 + 2 * number : 50 + 2 * number] = 0.9
        disparity[:, :, 100:102] = 0.7
        made.append(
            Scene(
                sharp=picture[:, :, number : number + WIDTH].contiguous(),
                disparity=disparity,
                focus_disparity=0.4 + 0.02 * number,
                blur_strength=90.0,
                pts=number,
            )
        )
    return made


def draw(renderer: Renderer, scenes: list[Scene]) -> Tensor:
    """All pictures, ``T 3 H W``."""
    frames = list(renderer.render(iter(scenes)))
    renderer.close()
    assert [frame.pts for frame in frames] == [scene.pts for scene in scenes]
    assert all(frame.picture.device == CPU for frame in frames)
    return torch.stack([frame.picture for frame in frames])


def assert_near(got: Tensor, wanted: Tensor, largest: float, mean: float) -> None:
    """Fail with the spread of the error."""
    error = (got - wanted).abs()
    assert error.max() <= largest and error.mean() <= mean, (
        f"error up to {error.max():.2e}, mean {error.mean():.2e}, allowed {largest:.0e} and {mean:.0e}"
    )


@pytest.mark.parametrize("transfer", ["srgb", "hlg"])
@pytest.mark.parametrize(
    "settings",
    [
        LensSettings(),
        LensSettings(quality="best"),
        LensSettings(aperture="polygon", blades=6, rotation_deg=10, highlights=2),
        LensSettings(cats_eye=0.6, anamorphic=1.5),
    ],
)
def test_the_lens(
    settings: LensSettings, transfer: TransferFunction, scenes: list[Scene], cuda: torch.device
) -> None:
    lens = Lens(settings=settings, transfer=transfer)
    scenes = scenes[:3]
    wanted = draw(LensRenderer(CompiledEngine(lens)), scenes)
    got = draw(LensRenderer(TorchEngine(lens, cuda)), scenes)
    assert (wanted - torch.stack([scene.sharp for scene in scenes])).abs().mean() > 5 * CODE, "nothing blurs"
    assert_near(got, wanted, CODE, 0.1 * CODE)


def test_what_is_in_focus_is_the_original_bit_for_bit(scenes: list[Scene], cuda: torch.device) -> None:
    still = [replace(scene, blur_strength=0.0) for scene in scenes[:2]]
    got = draw(LensRenderer(TorchEngine(Lens(settings=LensSettings()), cuda)), still)
    assert torch.equal(got, torch.stack([scene.sharp for scene in still]))


def test_the_small_network(scenes: list[Scene], cuda: torch.device) -> None:
    pictures = PictureFormat(height=HEIGHT, width=WIDTH)
    settings = RenderSettings(renderer="small", dtype="float32")
    wanted, got = (draw(make_renderer(settings, device, pictures), scenes) for device in (CPU, cuda))
    assert_near(got, wanted, 2 * CODE, 0.1 * CODE)
    half = draw(make_renderer(replace(settings, dtype="bfloat16"), cuda, pictures), scenes)
    assert_near(half, wanted, 3 * CODE, 0.2 * CODE)


@pytest.mark.parametrize("mode", ["released", "paper"])
@pytest.mark.parametrize("low_memory", [False, True])
def test_the_diffusion_network(
    mode: MaskMode, low_memory: bool, scenes: list[Scene], cuda: torch.device
) -> None:
    pictures = PictureFormat(height=HEIGHT, width=WIDTH)
    settings = DiffusionSettings(work_size=128, low_memory=low_memory)

    def on(device: torch.device) -> Tensor:
        return draw(DiffusionRenderer(tiny_network(settings, mode, device), settings, pictures), scenes)

    assert_near(on(cuda), on(CPU), 5e-3, 2e-4)


def test_the_compact_disparity(scenes: list[Scene], cuda: torch.device) -> None:
    pictures = torch.stack([scene.sharp for scene in scenes[:3]])

    def on(device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
        size = (SHORTER_SIDE, SHORTER_SIDE * WIDTH // HEIGHT)
        return load_compact(device, dtype).estimate(pictures, size).cpu()

    wanted = on(CPU)
    reach = float(wanted.max() - wanted.min())
    assert_near(on(cuda), wanted, 1e-3 * reach, 1e-4 * reach)
    if cuda.type == "cuda":  # the precision of GPUs, which the CPU has no arithmetic for
        assert_near(on(cuda, torch.float16), wanted, 5e-2 * reach, 5e-3 * reach)


def test_the_video_depth_network(cuda: torch.device) -> None:
    """In float16, groups of one channel with random weights are off by more than published ones."""
    shot = [(inputs("picture", 3, 84, 112) / 4 + 0.5).clamp(0, 1).roll(number, 2) for number in range(40)]
    frames = [
        ReducedFrame(pts=number, picture=picture, prepared=prepare_picture(picture), starts_shot=number == 0)
        for number, picture in enumerate(shot)
    ]

    def on(device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
        network = fill_video_network(VideoDepthNetwork(TINY_DIMS)).to(device).to_precision(dtype)
        estimator = VideoEstimator(network, is_metric=False, batch=1 if device == CPU else 8)
        return torch.stack([torch.from_numpy(disparity) for disparity in estimator(frames)])

    wanted = on(CPU)
    reach = float(wanted.max() - wanted.min())
    assert_near(on(cuda), wanted, 5e-3 * reach, 1e-4 * reach)
    if cuda.type == "cuda":
        half = on(cuda, torch.float16)
        assert half.isfinite().all() and (half - wanted).abs().mean() < 2e-2 * reach


@pytest.fixture
def clip(tmp_path: Path, scenes: list[Scene], monkeypatch: pytest.MonkeyPatch) -> Path:
    use_own_folders(tmp_path, "model = []", monkeypatch)
    path = tmp_path / "clip.mp4"
    smooth = torch.nn.functional.avg_pool2d
    with create_video(path, WIDTH, HEIGHT, Fraction(24), overwrite=False) as video:
        for scene in scenes:
            video.write(smooth(scene.sharp, 5, stride=1, padding=2))
    return path


@pytest.fixture
def worked(cuda: torch.device) -> Iterator[Callable[[], bool]]:
    """Whether the GPU held anything since the test began."""
    if cuda.type != "cuda":
        yield lambda: True
        return
    torch.cuda.reset_peak_memory_stats(cuda)
    before = torch.cuda.max_memory_allocated(cuda)
    yield lambda: torch.cuda.max_memory_allocated(cuda) > before


@pytest.mark.parametrize("renderer", ["lens", "small"])
def test_the_command(
    renderer: str, clip: Path, tmp_path: Path, cuda: torch.device, worked: Callable[[], bool]
) -> None:
    def on(device: str) -> Tensor:
        target = tmp_path / f"{device}.mkv"
        asked = ("--focus", "0.6", "--k", "40", "--depth", "compact", "--no-cache", "--lossless", "-q")
        where = ("--renderer", renderer, "--device", device, "-o", str(target))
        assert main(["refocus", str(clip), *asked, *where, "--overwrite"]) == 0
        with open_video(target) as video:
            return torch.stack([frame.picture for frame in video])

    wanted = on("cpu")
    got = on(cuda.type)
    assert worked(), "the GPU did nothing"
    # Disparity is half as precise there, which moves the edges of blur by less than a pixel.
    assert (got - wanted).square().mean() < 10 ** (-38 / 10), "less than 38 dB"
