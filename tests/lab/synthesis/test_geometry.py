import math
from dataclasses import replace

import pytest
import torch
from ready_stages import depth_ramp, two_planes

from any2bokeh.errors import SettingsError
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.shapes import Disc
from any2bokeh.lab.synthesis.stage import Camera, FrameView, Plane, Stage, Trajectory, still
from any2bokeh.lab.synthesis.textures import Uniform

SQUARE = FrameView(width=96, height=96)


def test_a_point_lands_where_it_is_projected(bare_stage, card):
    stage = bare_stage(card("dot", 4.0, (1, 1, 1), size_m=0.4, x=0.5, y=1.0))
    lit = RayTracer(stage).sharp(SQUARE)[0]
    rows, columns = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(96) + 0.5, indexing="ij")
    center = ((lit * columns).sum() / lit.sum(), (lit * rows).sum() / lit.sum())
    assert center == pytest.approx((48 + 96 * 0.5 / 4, 48 - 96 * 1.0 / 4), abs=0.01)
    assert lit.sum() == pytest.approx((96 * 0.4 / 4) ** 2, rel=0.01)


@pytest.mark.parametrize("depth_m", [1.0, 1.7, 4.0, 10.0])
def test_disparity_is_one_near_zero_far_and_linear_in_inverse_depth(bare_stage, card, depth_m):
    stage = bare_stage(card("wall", depth_m, (1, 1, 1)))
    disparity = RayTracer(stage).geometry(SQUARE).disparity
    expected = (1 / depth_m - 1 / 10) / (1 / 1 - 1 / 10)
    torch.testing.assert_close(disparity, torch.full((1, 96, 96), expected), atol=1e-6, rtol=0)
    assert stage.depth_m(stage.disparity(depth_m)) == pytest.approx(depth_m)


def test_a_ground_plane_has_the_depth_of_its_rows(bare_stage):
    ground = Plane(
        name="ground",
        size_m=(100.0, 100.0),
        texture=Uniform((1, 1, 1)),
        position=still(y=-1.0),
        turn_deg=still(y=-90),
    )
    disparity = RayTracer(bare_stage(ground)).geometry(SQUARE).disparity[0]
    below = torch.arange(48) + 0.5  # pixels from the horizon to the center of each lower row
    depth_m = 96 / below
    expected = ((1 / depth_m - 0.1) / 0.9).clamp(0, 1)
    torch.testing.assert_close(disparity[48:, 48], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(disparity[:, :1].expand(96, 96), disparity, atol=1e-5, rtol=0)
    assert (disparity[:48] == 0).all()  # the sky


def test_the_ramp_shows_every_disparity_linear_over_the_rows():
    disparity = RayTracer(depth_ramp()).geometry(SQUARE).disparity[0]
    expected = (torch.arange(96) + 0.5) / 96
    torch.testing.assert_close(disparity, expected[:, None].expand(96, 96), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (40, 0), (0, -60), (30, 20)])
def test_a_turned_plane_has_the_depth_of_the_plane_equation(bare_stage, yaw, pitch):
    plane = Plane(
        name="board",
        size_m=(30.0, 30.0),
        texture=Uniform((1, 1, 1)),
        position=still(0.1, -0.2, 3.0),
        turn_deg=still(yaw, pitch),
    )
    depth = 1 / (RayTracer(bare_stage(plane)).geometry(SQUARE).disparity[0] * 0.9 + 0.1)
    yaw_rad, pitch_rad = math.radians(yaw), math.radians(pitch)
    normal = (
        math.sin(yaw_rad) * math.cos(pitch_rad),
        math.sin(pitch_rad),
        math.cos(yaw_rad) * math.cos(pitch_rad),
    )
    for row, column in ((48, 48), (20, 70), (75, 30)):
        slope = ((column + 0.5 - 48) / 96, (48 - row - 0.5) / 96)
        distance = normal[0] * 0.1 - normal[1] * 0.2 + normal[2] * 3.0
        expected = distance / (normal[0] * slope[0] + normal[1] * slope[1] + normal[2])
        assert depth[row, column] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("far_m", "far_shift"), [(6.0, 1), (3.0, 2)])
def test_a_truck_moves_each_plane_by_its_own_parallax(far_m, far_shift):
    still_stage = two_planes(near_disparity=1.0, far_disparity=(1 / far_m - 0.1) / 0.9)
    focal_px = still_stage.camera.focal_length_px(SQUARE)
    truck = Trajectory(velocity=(6 * 1.0 / focal_px, 0, 0))  # 6 pixels per second at 1 m
    tracer = RayTracer(replace(still_stage, camera=Camera(position=truck)))
    before, after = tracer.sharp(SQUARE), tracer.sharp(replace(SQUARE, time_s=1.0))
    torch.testing.assert_close(after[:, :, :20], before[:, :, 6:26], atol=2e-3, rtol=0)
    torch.testing.assert_close(
        after[:, :, 70:90], before[:, :, 70 + far_shift : 90 + far_shift], atol=2e-3, rtol=0
    )
    edges = [(tracer.geometry(replace(SQUARE, time_s=t)).objects == 0).sum(-1) for t in (0.0, 1.0)]
    assert (edges[0] - edges[1] == 6).all()


def test_panning_right_and_tilting_up_move_the_picture_left_and_down(bare_stage, card):
    stage = bare_stage(card("dot", 4.0, (1, 1, 1), size_m=0.3))
    turned = replace(stage, camera=replace(stage.camera, turn_deg=still(5.0, 3.0)))
    objects = RayTracer(turned).geometry(SQUARE).objects[0]
    rows, columns = (objects == 0).nonzero().double().mean(0) + 0.5
    assert columns == pytest.approx(48 - 96 * math.tan(math.radians(5)), abs=0.3)
    assert rows == pytest.approx(48 + 96 * math.tan(math.radians(3)), abs=0.3)


def test_rolling_a_plane_turns_it_counter_clockwise(bare_stage, card):
    arm = replace(card("arm", 4.0, (1, 1, 1)), size_m=(2.0, 0.1), turn_deg=still(z=30), anchor=(-1.0, 0.0))
    objects = RayTracer(bare_stage(arm)).geometry(SQUARE).objects[0]
    row, column = (objects == 0).nonzero()[0]  # the highest pixel: the arm's end
    assert (float(column) - 48, 48 - float(row)) == pytest.approx((48 * 0.866, 24), abs=2.5)


def test_the_object_mask_agrees_with_the_disparity(bare_stage, card):
    near = replace(card("near", 2.0, (1, 0, 0)), shape=Disc(radius_m=0.4))
    far = card("far", 5.0, (0, 1, 0))
    tracer = RayTracer(bare_stage(far, near))
    geometry = tracer.geometry(SQUARE)
    assert set(geometry.objects.unique().tolist()) == {0, 1}
    for index, depth_m in ((0, 5.0), (1, 2.0)):
        seen = geometry.disparity[geometry.objects == index]
        torch.testing.assert_close(seen, torch.full_like(seen, (1 / depth_m - 0.1) / 0.9), atol=1e-6, rtol=0)
    assert (geometry.objects == 1).sum() == pytest.approx(math.pi * (96 * 0.4 / 2) ** 2, rel=0.01)
    picture = tracer.sharp(SQUARE)
    inner = (picture[0] > 0.999) | (picture[1] > 0.999)  # not on the edge
    assert (inner & ((geometry.objects[0] == 1) != (picture[0] > 0.5))).sum() == 0


def test_alpha_below_one_half_is_seen_through(bare_stage, card):
    veil = replace(card("veil", 2.0, (1, 0, 0)), shape=Disc(radius_m=0.5, softness_m=0.8))
    geometry = RayTracer(bare_stage(veil, card("far", 5.0, (0, 1, 0)))).geometry(SQUARE)
    assert (geometry.objects == 0).sum() == pytest.approx(math.pi * (96 * 0.5 / 2) ** 2, rel=0.01)


def test_a_crossing_plane_is_in_front_on_one_side_only(bare_stage, card):
    board = replace(card("board", 4.0, (1, 0, 0)), turn_deg=still(45.0))
    objects = RayTracer(bare_stage(card("wall", 4.0, (0, 1, 0)), board)).geometry(SQUARE).objects[0]
    assert (objects[:, :48] == 0).all() or (objects[:, :48] == 1).all()
    assert (objects[:, :48] != objects[:, 48:].flip(1)).all()


def test_what_is_behind_the_camera_is_not_seen(bare_stage, card):
    geometry = RayTracer(bare_stage(card("behind", -2.0, (1, 1, 1)), sky=(0.1, 0.2, 0.3)))
    assert (geometry.geometry(SQUARE).objects == -1).all()
    torch.testing.assert_close(geometry.sharp(SQUARE)[:, 0, 0], torch.tensor([0.1, 0.2, 0.3]))


def test_a_stage_needs_near_before_far():
    with pytest.raises(SettingsError, match="near"):
        Stage(camera=Camera(), planes=(), near_m=3.0, far_m=2.0)
