"""What one frame hides, another shows: the lens with the frames around."""

import math
from dataclasses import replace

import pytest
import torch
from lenses import torch_lens
from ready_stages import two_planes
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import Camera, FrameView, Trajectory
from any2bokeh.motion.camera import fit_motion, make_thumbnail
from any2bokeh.optics.coc import CocScale
from any2bokeh.optics.transfer import from_linear
from any2bokeh.render.lens.highlights import FRAMES_AHEAD
from any2bokeh.render.lens.neighbors import Neighbor, recall_points
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import LensSettings

BEST = LensSettings(quality="best")
PAN = Camera(position=Trajectory(velocity=(0.5, 0.1, 0.0)))
FOCUS = Focus(focus_disparity=0.2, blur_strength=110)
SIZE = (96, 160)


def view(frame: int) -> FrameView:
    return FrameView(time_s=frame / 12, width=SIZE[1], height=SIZE[0])


@pytest.fixture(scope="module")
def tracer() -> RayTracer:
    return RayTracer(two_planes(camera=PAN))


@pytest.fixture(scope="module")
def clip(tracer: RayTracer) -> list[Scene]:
    return [
        Scene(
            sharp=from_linear(tracer.sharp(view(frame), samples=16), "srgb").clamp(0, 1),
            disparity=tracer.geometry(view(frame)).disparity,
            focus_disparity=FOCUS.focus_disparity,
            blur_strength=FOCUS.blur_strength,
            pts=10 * frame + 3,
        )
        for frame in range(6)
    ]


def render(scenes: list[Scene], settings: LensSettings) -> list[Tensor]:
    return [frame.picture for frame in torch_lens(settings).render(iter(scenes))]


def psnr(picture: Tensor, truth: Tensor) -> float:
    inner = (slice(None), slice(12, -12), slice(12, -12))
    return -10 * math.log10((picture - truth)[inner].square().mean())


@pytest.mark.slow
def test_a_moving_camera_reveals_what_a_blurred_edge_lets_through(
    tracer: RayTracer, clip: list[Scene]
) -> None:
    truth = from_linear(tracer.refocused(view(2), FOCUS, samples=128), "srgb").clamp(0, 1)
    alone, among = render(clip, LensSettings())[2], render(clip, BEST)[2]
    assert psnr(among, truth) > psnr(alone, truth) + 2


@pytest.mark.slow
def test_content_outside_the_frame_comes_from_frames_that_saw_it(
    tracer: RayTracer, clip: list[Scene]
) -> None:
    truth = from_linear(tracer.refocused(view(2), FOCUS, samples=128), "srgb").clamp(0, 1)
    alone, among = render(clip, LensSettings())[2], render(clip, BEST)[2]
    errors = [(picture - truth)[:, :, :4].square().mean() for picture in (alone, among)]
    assert errors[1] < errors[0] / 1.5


@pytest.mark.slow
def test_order_and_time_stamps_are_kept(clip: list[Scene]) -> None:
    for count in range(6):
        frames = torch_lens(BEST).render(iter(clip[:count]))
        assert [frame.pts for frame in frames] == [scene.pts for scene in clip[:count]]


@pytest.mark.parametrize(
    ("settings", "ahead"),
    [(replace(BEST, highlights=0), 3), (BEST, 3 + FRAMES_AHEAD)],
    ids=["neighbors", "and lights"],
)
def test_scenes_around_are_read_ahead_and_no_more(
    clip: list[Scene], settings: LensSettings, ahead: int
) -> None:
    read: list[int] = []

    def scenes():  # type: ignore[no-untyped-def]
        for scene in clip:
            read.append(scene.pts)
            yield scene

    rendered = torch_lens(settings).render(scenes())
    for done, _ in enumerate(rendered, start=1):
        assert len(read) == min(done + ahead, len(clip))


def test_one_frame_alone_is_rendered_nearly_as_without_neighbors(clip: list[Scene]) -> None:
    alone = render(clip[:1], LensSettings())[0]
    torch.testing.assert_close(render(clip[:1], BEST)[0], alone, atol=0.02, rtol=0)


def test_a_cut_borrows_nothing_from_the_other_shot(clip: list[Scene]) -> None:
    generator = torch.Generator().manual_seed(5)
    noise = interpolate(torch.rand(2, 3, 24, 40, generator=generator), SIZE, mode="bicubic")
    other = [
        Scene(
            sharp=picture.clamp(0, 1).contiguous(),
            disparity=torch.linspace(0, 1, SIZE[1]).expand(1, *SIZE).contiguous(),
            focus_disparity=0.5,
            blur_strength=60,
            pts=0,
        )
        for picture in noise
    ]
    assert torch.equal(render([clip[0], *other], BEST)[0], render(clip[:1], BEST)[0])


def seen(color: float, distance: int) -> Neighbor:
    """A frame that shows one gray everywhere, as far away as the occluded surface, from where this one is."""
    picture = torch.full((3, 8, 8), color) ** 2.2
    return Neighbor(picture, picture, torch.full((8, 8), 0.2), distance, lambda x, y, disparity: (x, y))


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        ([0.9, 0.85], 0.9),  # another color than that around, on which both agree
        ([0.9, 0.4], 0.5),  # something that moves by itself
        ([0.9, 0.9, 0.4], 0.5),
        ([0.9], 0.5),  # nobody else saw it
        ([0.6], 0.6),
        ([], 0.5),
    ],
)
def test_an_occluded_point_takes_the_color_that_frames_agree_on(colors: list[float], expected: float) -> None:
    scale = CocScale.of(0.5, 40.0, 1024)
    neighbors = [seen(color, distance) for distance, color in enumerate(colors, start=1)]
    place, light = torch.tensor([3.0]), torch.full((3, 1), 0.5) ** 2.2
    coc = scale.coc(torch.tensor([0.2]))
    found, found_coc = recall_points(place, place, light, coc, neighbors, scale)
    assert found.pow(1 / 2.2).flatten().tolist() == pytest.approx([expected] * 3, abs=0.02)
    torch.testing.assert_close(found_coc, coc)


def test_a_still_clip_is_rendered_as_its_first_frame(clip: list[Scene]) -> None:
    still = render([clip[0]] * 3, BEST)
    for picture in still:
        torch.testing.assert_close(picture, still[0], atol=2 / 255, rtol=0)


def test_without_blur_every_frame_is_the_input(clip: list[Scene]) -> None:
    scenes = [
        Scene(sharp=s.sharp, disparity=s.disparity, focus_disparity=0.2, blur_strength=0.0, pts=s.pts)
        for s in clip
    ]
    for picture, scene in zip(render(scenes, BEST), scenes, strict=True):
        assert torch.equal(picture, scene.sharp)


def test_motion_of_a_moving_camera_is_found(clip: list[Scene]) -> None:
    first, second = (make_thumbnail(scene.sharp, scene.disparity) for scene in clip[:2])
    motion = fit_motion(first, second, SIZE)
    assert motion is not None
    x, y = torch.tensor([40.0, 120.0]), torch.tensor([50.0, 30.0])
    near = torch.tensor([0.8, 0.2])
    there_x, there_y = motion.forward(x, y, near)
    # f * velocity * time / z pixels; disparity 0.8 and 0.2 lie at 1/z = 0.82 and 0.28 per meter
    focal_px = PAN.focal_length_px(view(0))
    expected = -focal_px / 12 * torch.tensor([0.82, 0.28])
    torch.testing.assert_close(there_x - x, 0.5 * expected, atol=0.3, rtol=0)
    torch.testing.assert_close(there_y - y, -0.1 * expected, atol=0.3, rtol=0)
    back_x, back_y = motion.backward(there_x, there_y, near)
    torch.testing.assert_close(torch.stack([back_x, back_y]), torch.stack([x, y]), atol=0.05, rtol=0)


def test_unrelated_frames_have_no_motion(clip: list[Scene]) -> None:
    generator = torch.Generator().manual_seed(1)
    noise = interpolate(torch.rand(1, 3, 24, 40, generator=generator), SIZE)[0]
    first = make_thumbnail(clip[0].sharp, clip[0].disparity)
    second = make_thumbnail(noise, clip[0].disparity)
    assert fit_motion(first, second, SIZE) is None
