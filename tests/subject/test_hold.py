"""Holding a subject, on scenes whose disparity is known by construction."""

from dataclasses import replace

import pytest
import torch
from lenses import compiled_lens
from torch import Tensor

from any2bokeh.errors import ShapeError
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import LensSettings
from any2bokeh.subject.hold import Standing, hold, measure_standing

HEIGHT, WIDTH = 180, 320
TOP, FEET, LEFT, RIGHT = 60, 140, 140, 180


def person() -> Tensor:
    """A mask of somebody who stands on row ``FEET``."""
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, TOP:FEET, LEFT:RIGHT] = 1
    return mask


def floor() -> Tensor:
    """Disparity of a floor seen from above, and of a wall far behind it from row ``TOP`` up."""
    rows = torch.arange(HEIGHT, dtype=torch.float32)
    return (0.2 + 0.5 * (rows - TOP).clamp_min(0) / (FEET - TOP))[None, :, None].expand(1, -1, WIDTH).clone()


def held(disparity: Tensor, mask: Tensor) -> tuple[Tensor, Standing]:
    standing = measure_standing(disparity, mask)
    assert standing is not None
    return hold(disparity, mask, standing, standing.disparity), standing


def test_all_of_the_subject_lies_in_the_focal_plane():
    result, standing = held(floor(), person())
    assert (result[person() > 0.5] == torch.tensor(standing.disparity)).all()


def test_the_focal_plane_is_that_of_the_ground_at_the_feet():
    _, standing = held(floor(), person())
    assert standing.disparity == pytest.approx(0.7, abs=0.03)


def test_in_the_air_the_subject_has_its_own_distance():
    disparity = torch.full((1, HEIGHT, WIDTH), 0.2)
    disparity[:, TOP:FEET, LEFT:RIGHT] = 0.6
    _, standing = held(disparity, person())
    assert standing.disparity == pytest.approx(0.6, abs=0.01)


def test_the_floor_under_the_feet_keeps_its_slope():
    result, _ = held(floor(), person())
    below = slice(FEET + 2, HEIGHT)
    assert torch.equal(result[:, below], floor()[:, below])
    beside = result[0, TOP:FEET, 20]
    assert (beside.diff() >= 0).all()  # it falls off behind the feet, without a step
    assert beside.diff().max() < 0.06


def test_a_floor_whose_slope_is_known_keeps_it_everywhere():
    disparity = floor()
    disparity[:, TOP:FEET, LEFT:RIGHT] = 0.7
    result, _ = held(disparity, person())
    outside = person() < 0.5
    assert (result - disparity)[outside].abs().max() < 0.03


def test_what_stands_behind_the_outline_is_moved_behind_it():
    disparity = floor()
    disparity[:, TOP:100, LEFT - 60 : RIGHT + 60] = 0.8  # an estimator that takes a bystander for nearer
    result, standing = held(disparity, person())
    around = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
    around[:, TOP + 10 : 100, LEFT - 50 : LEFT - 6] = True
    assert (result[around] <= 0.6 * standing.disparity).all()


def test_a_good_track_is_left_alone_outside_the_subject():
    disparity = torch.full((1, HEIGHT, WIDTH), 0.2)
    disparity[:, FEET:] = 0.65
    disparity[:, TOP:FEET, LEFT:RIGHT] = 0.6
    disparity[:, 80:120, 20:60] = 0.6  # somebody else at the same distance
    result, standing = held(disparity, person())
    assert standing.trust > 0.95
    outside = person() < 0.5
    assert torch.equal(result[outside], disparity[outside])


def test_what_a_good_track_lets_run_over_the_outline_is_background():
    disparity = torch.full((1, HEIGHT, WIDTH), 0.2)
    disparity[:, TOP:FEET, LEFT - 3 : RIGHT + 3] = 0.6
    result, standing = held(disparity, person())
    assert standing.overrun * WIDTH == pytest.approx(3, abs=1)
    rim = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
    rim[:, TOP + 4 : FEET - 20, LEFT - 3 : LEFT] = True
    assert (result[rim] < 0.3).all()


def test_a_thing_as_near_that_touches_the_outline_stays_where_a_good_track_ends_at_the_outline():
    disparity = torch.full((1, HEIGHT, WIDTH), 0.2)
    disparity[:, TOP:FEET, LEFT:RIGHT] = 0.6
    disparity[:, 80:90, 60:LEFT] = 0.6  # the rail of a fence
    result, standing = held(disparity, person())
    assert standing.overrun == 0
    outside = person() < 0.5
    assert torch.equal(result[outside], disparity[outside])


def test_an_empty_mask_has_no_standing():
    assert measure_standing(floor(), torch.zeros(1, HEIGHT, WIDTH)) is None


def test_a_mask_of_another_size_is_measured_but_not_held():
    small = torch.nn.functional.interpolate(person()[None], (90, 160))[0]
    standing = measure_standing(floor(), small)
    assert standing is not None
    with pytest.raises(ShapeError, match="90"):
        hold(floor(), small, standing, 0.5)


def test_an_occluder_keeps_its_own_disparity():
    disparity = floor()
    disparity[:, 20:130, 150:156] = 0.95
    mask = person()
    mask[:, :, 150:156] = 0
    standing = measure_standing(disparity, mask)
    assert standing is not None
    post = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    post[20:130, 150:156] = True
    without = hold(disparity, mask, standing, standing.disparity)
    assert (without[0, 70:100, 150:156] < standing.disparity).all()
    result = hold(disparity, mask, standing, standing.disparity, post)
    assert torch.equal(result[0, 20:130, 150:156], disparity[0, 20:130, 150:156])


def test_at_the_far_end_there_is_nothing_to_move_things_into():
    disparity = torch.full((1, HEIGHT, WIDTH), 0.5)
    disparity[:, TOP:FEET, LEFT:RIGHT] = 0.2
    standing = measure_standing(disparity, person())
    assert standing is not None
    result = hold(disparity, person(), standing, 0.0)
    outside = person() < 0.5
    assert torch.equal(result[outside], disparity[outside])


def test_as_the_subject_leaves_less_is_moved():
    disparity = floor()
    disparity[:, TOP:100, LEFT - 60 : LEFT] = 0.8
    standing = measure_standing(disparity, person())
    assert standing is not None
    beside = []
    for presence in (1.0, 0.5, 0.0):
        leaving = replace(standing, presence=presence)
        beside.append(float(hold(disparity, person(), leaving, standing.disparity)[0, 80, LEFT - 40]))
    assert beside[0] < beside[1] < beside[2] == pytest.approx(0.8)


def test_a_track_in_which_the_subject_stands_apart_is_believed_though_all_around_is_nearer():
    disparity = torch.full((1, HEIGHT, WIDTH), 0.8)
    disparity[:, TOP:FEET, LEFT:RIGHT] = 0.3
    result, standing = held(disparity, person())
    assert standing.trust > 0.95
    outside = person() < 0.5
    assert torch.equal(result[outside], disparity[outside])


def test_an_estimate_whose_relief_is_as_high_as_its_steps_is_doubted():
    disparity = torch.full((1, HEIGHT, WIDTH), 0.7)
    disparity[:, TOP:FEET, LEFT:RIGHT] = torch.linspace(0, 1, FEET - TOP)[:, None]
    standing = measure_standing(disparity, person())
    assert standing is not None and standing.trust < 0.05


def detail(picture: Tensor, rows: slice, columns: slice) -> float:
    """Mean change from a column to the next."""
    return float(picture[:, rows, columns].diff(dim=2).abs().mean())


def through_the_lens(disparity: Tensor, occluders: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Stripes everywhere, and the same with the person held in focus."""
    stripes = (torch.arange(WIDTH) % 4 < 2).float().expand(3, HEIGHT, WIDTH).contiguous()
    standing = measure_standing(disparity, person())
    assert standing is not None
    mask = person() if occluders is None else person() * ~occluders
    scene = Scene(
        sharp=stripes,
        disparity=hold(disparity, mask, standing, standing.disparity, occluders),
        focus_disparity=standing.disparity,
        blur_strength=60,
        pts=0,
        coverage=mask,
    )
    return stripes, compiled_lens(LensSettings(highlights=0)).refocus(scene)  # white stripes are no lights


def test_through_the_lens_focus_falls_off_along_the_floor_and_the_subject_stays_sharp():
    stripes, result = through_the_lens(floor())
    inside = slice(TOP + 4, FEET), slice(LEFT + 4, RIGHT - 4)
    assert torch.equal(result[:, *inside], stripes[:, *inside])
    beside = [detail(result, slice(row, row + 4), slice(20, 100)) for row in (FEET - 4, FEET - 20, FEET - 40)]
    assert detail(stripes, slice(0, 4), slice(20, 100)) == pytest.approx(beside[0], rel=0.1)  # at the feet
    assert beside[0] > 2 * beside[1] >= 2 * beside[2]


def test_through_the_lens_a_post_that_passes_before_the_subject_is_blurred_over_it():
    disparity, post = floor(), torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    post[20:130, 150:170] = True
    disparity[0][post] = 1.0
    stripes, result = through_the_lens(disparity, post)
    assert detail(result, slice(70, 100), slice(156, 164)) < 0.3 * detail(
        stripes, slice(70, 100), slice(156, 164)
    )
    assert not torch.equal(result[:, 80, 148], stripes[:, 80, 148])  # its blur reaches the subject
