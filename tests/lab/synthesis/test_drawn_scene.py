from itertools import pairwise

import numpy as np
import pytest
import torch

from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.clip_maker import draw_settings
from any2bokeh.lab.synthesis.compiled_tracer import CompiledRayTracer
from any2bokeh.lab.synthesis.drawn_scene import ClipFormat, DrawnScene, Material
from any2bokeh.lab.synthesis.paper_scenes import paper_scene
from any2bokeh.lab.synthesis.rich_scenes import rich_scene
from any2bokeh.optics.transfer import from_linear

CLIP = ClipFormat(width=96, height=54, frames=25)
MAKERS = {"paper": paper_scene, "rich": rich_scene}


def scene(kind: str, seed: int) -> DrawnScene:
    return MAKERS[kind](np.random.default_rng(seed), CLIP, Material())


def depths_m(drawn: DrawnScene, number: int) -> list[float]:
    return [drawn.stage.depth_m(drawn.disparity(number, CLIP.view(i).time_s)) for i in range(CLIP.frames)]


@pytest.mark.parametrize("seed", range(12))
def test_the_papers_foregrounds_stand_evenly_from_1_to_5_and_sway_by_no_more_than_a_quarter(
    seed: int,
) -> None:
    drawn = scene("paper", seed)
    assert len(drawn.objects) == 4
    for i in range(4):
        depths = depths_m(drawn, i + 1)
        middle = 1 + i * 4 / 3
        assert max(abs(depth - middle) for depth in depths) <= 0.25 + 1e-9
        assert min(depths) >= 1 - 1e-9 and max(depths) <= 5 + 1e-9
        assert max(abs(after - before) for before, after in pairwise(depths)) < 0.06  # smooth, not anew
    assert drawn.stage.disparity(1.0) == 1
    assert drawn.stage.disparity(4.0) == 0.25
    background = drawn.stage.planes[-1].position.at(0.5)[2]
    assert 100 <= background <= 200


@pytest.mark.parametrize("seed", range(4))
def test_disparity_of_a_paper_scene_is_that_of_its_objects(seed: int) -> None:
    drawn = scene("paper", seed)
    view = CLIP.view(7)
    geometry = CompiledRayTracer(drawn.stage.with_detail(0.5)).geometry(view)
    objects = torch.from_numpy(drawn.numbers())[geometry.objects.long()]
    assert len(objects.unique()) >= 3
    for number in objects.unique().tolist():
        seen = geometry.disparity[objects == number]
        if number:
            torch.testing.assert_close(seen, torch.full_like(seen, drawn.disparity(number, view.time_s)))
        else:
            assert seen.min() >= 0.005 - 1e-6 and seen.max() <= 0.01 + 1e-6


@pytest.mark.parametrize("kind", MAKERS)
def test_things_move_and_nothing_is_off_its_scale(kind: str) -> None:
    drawn = scene(kind, 3)
    tracer = CompiledRayTracer(drawn.stage.with_detail(0.5))
    first, last = (tracer.geometry(CLIP.view(i)) for i in (0, 24))
    changed = (first.objects != last.objects).float().mean()
    assert 0.02 < changed < 0.9
    for geometry in (first, last):
        assert geometry.disparity.max() <= 1
        assert (geometry.disparity == 1).float().mean() < 0.02  # clamped, were it off its scale


def test_a_rich_scene_slopes_and_its_camera_moves() -> None:
    drawn = scene("rich", 5)
    tracer = CompiledRayTracer(drawn.stage.with_detail(0.5))
    disparity = tracer.geometry(CLIP.view(0)).disparity[0]
    sloping = (disparity.diff(dim=0).abs() > 1e-5) & (disparity.diff(dim=0).abs() < 0.02)
    assert sloping.float().mean() > 0.3
    start, end = (drawn.stage.camera.position.at(CLIP.view(i).time_s) for i in (0, 24))
    assert sum((a - b) ** 2 for a, b in zip(start, end, strict=True)) > 0.01**2


@pytest.mark.slow
def test_some_rich_scenes_have_lamps_brighter_than_white() -> None:
    lit = [scene("rich", seed) for seed in range(6)]
    bright = [drawn for drawn in lit if any((plane.emission or 0) > 1 for plane in drawn.stage.planes)]
    assert 0 < len(bright) < 6
    assert CompiledRayTracer(bright[0].stage.with_detail(0.5)).sharp(CLIP.view(0), 16).max() > 1.5


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.slow
def test_a_scene_depends_on_its_seed_alone(kind: str) -> None:
    assert scene(kind, 4) == scene(kind, 4)
    assert scene(kind, 4) != scene(kind, 5)


@pytest.mark.parametrize(("kind", "seed"), [("paper", 0), ("paper", 1), ("rich", 2), ("rich", 4)])
@pytest.mark.slow
def test_two_seeds_of_rays_agree_to_50_db(kind: str, seed: int) -> None:
    drawn = scene(kind, seed)
    tracer = CompiledRayTracer(drawn.stage)
    focus = Focus(drawn.disparity(2, 0.0), 20)
    first, second = (
        (from_linear(tracer.refocused(CLIP.view(0), focus, seed=i).clamp(0, 1), "srgb") * 255).round() / 255
        for i in (1, 2)
    )
    assert -10 * (first - second).square().mean().log10() > 50


TRACKS = ((0.9, 0.91, 0.92), (0.5, 0.5, 0.5), (), (0.2, 0.2, 0.2))


@pytest.mark.parametrize("seed", range(8))
def test_settings_are_fixed_ones_on_different_objects_and_one_ramp_of_each_kind(seed: int) -> None:
    settings = draw_settings(np.random.default_rng(seed), TRACKS, (12, 16), 5)
    fixed = [setting for setting in settings if setting.kind == "fixed"]
    assert sorted(setting.object for setting in fixed) == [1, 2, 4]  # never the third
    for setting in fixed:
        assert setting.focus == TRACKS[setting.object - 1]
        assert len(set(setting.blur_strength)) == 1
        assert setting.blur_strength[0] in (12, 16)
    (ramp,) = (setting for setting in settings if setting.kind == "blur-ramp")
    steps = {after - before for before, after in pairwise(ramp.blur_strength)}
    assert steps in ({1.0}, {-1.0})
    assert 1 <= min(ramp.blur_strength) <= 7
    assert ramp.focus == TRACKS[ramp.object - 1]
    (pull,) = (setting for setting in settings if setting.kind == "focus-ramp")
    assert pull.object is None
    assert pull.focus in (pytest.approx((0.9, 0.55, 0.2)), pytest.approx((0.2, 0.56, 0.92)))


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_there_are_as_many_settings_as_asked_for(count: int) -> None:
    settings = draw_settings(np.random.default_rng(0), TRACKS, (12,), count)
    assert len({setting.name for setting in settings}) == count
    assert settings[0].kind == "fixed"
