import pytest
import torch
from evening import evening
from ready_stages import depth_ramp, night_lamps, thin_structures, two_planes

from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView

VIEW = FrameView(time_s=0.5, width=80, height=45)
STAGES = {
    "two planes": two_planes(),
    "depth ramp": depth_ramp(),
    "thin structures": thin_structures(),
    "night lamps": night_lamps(),
    "evening": evening(),
}


@pytest.fixture(params=STAGES, scope="module")
def tracer(request: pytest.FixtureRequest) -> RayTracer:
    return RayTracer(STAGES[request.param].with_detail(0.25))


def test_a_ready_stage_has_a_picture_and_disparity_within_its_scale(tracer):
    picture, geometry = tracer.sharp(VIEW, 4), tracer.geometry(VIEW)
    assert picture.shape == (3, 45, 80)
    assert picture.isfinite().all()
    assert picture.min() >= 0
    assert picture.std() > 0.02
    assert geometry.disparity.max() <= 1
    assert geometry.disparity.max() - geometry.disparity.min() > 0.4
    assert (geometry.objects >= 0).all()


@pytest.mark.slow
def test_a_stage_moves_if_its_camera_does(tracer):
    later = tracer.sharp(FrameView(time_s=1.5, width=80, height=45), 4)
    moved = (later - tracer.sharp(VIEW, 4)).abs().mean() > 1e-3
    assert moved == (tracer.stage.camera.position.velocity != (0, 0, 0))


@pytest.mark.slow
def test_focusing_elsewhere_blurs(tracer):
    sharp, far, near = (
        tracer.refocused(VIEW, Focus(focus_disparity=focus, blur_strength=strength), samples=16)
        for focus, strength in ((0.5, 0), (0.05, 100), (0.95, 100))
    )
    detail = [picture.diff(dim=2).abs().mean() for picture in (sharp, far, near)]
    assert max(detail[1:]) < detail[0]


@pytest.mark.parametrize("make", [thin_structures, night_lamps])
def test_a_seed_changes_the_ready_stage(make):
    assert make(seed=1) == make(seed=1)
    assert make(seed=1) != make(seed=2)


def test_lamps_are_brighter_than_white():
    assert RayTracer(night_lamps().with_detail(0.25)).sharp(VIEW, 4).max() > 2


def test_disparity_of_the_example_uses_its_range():
    tracer = RayTracer(evening().with_detail(0.1))
    for time_s in (0.0, 3.0):
        disparity = tracer.geometry(FrameView(time_s=time_s, width=96, height=54)).disparity
        assert 0.7 < disparity.max() < 1
        assert torch.count_nonzero(disparity < 0.05) > 1000
