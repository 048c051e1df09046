"""Scenes for training: geometry whose answer is known, and properties of the random ones."""

from dataclasses import replace

import numpy as np
import pytest

from any2bokeh.lab.compact.scenes.bodies import POSES, add_people
from any2bokeh.lab.compact.scenes.cast import Air, Cast, Lights, Viewpoint, render
from any2bokeh.lab.compact.scenes.film import develop
from any2bokeh.lab.compact.scenes.maker import PLACES, build_scene
from any2bokeh.lab.compact.scenes.prints import COUNT, SIDE, prints
from any2bokeh.lab.compact.scenes.shading import CHECKS, EMISSION, PAINT, PATTERN, PERIOD_M, PRINTED
from any2bokeh.lab.compact.scenes.solids import BOX, CARD, CONE, SPHERE
from any2bokeh.lab.compact.scenes.things import upright

SIZE = 65, 97  # odd, so that there is a middle sample
EYE_M = 1.5
VIEW = Viewpoint(place=np.array([0, EYE_M, 0]), turn_deg=(0, 0, 0), zoom=1.0, height=SIZE[0], width=SIZE[1])
AIR = Air(np.zeros(3), np.zeros(3), np.zeros(4), np.zeros(4))


def paint(brightness: float = 0.5) -> np.ndarray:
    look = np.zeros(PAINT)
    look[:6], look[[PERIOD_M, 10, 13]] = brightness, 1.0
    return look


def lights(toward: tuple[float, float, float] = (0, 1, 0)) -> Lights:
    direction = np.array(toward) / np.linalg.norm(toward)
    return Lights(direction, np.ones(3), np.full(3, 0.5), np.full(3, 0.1))


def ground() -> Cast:
    cast = Cast()
    cast.add(BOX, np.array([0, -1.0, 0]), np.diag([400.0, 1.0, 400.0]), paint())
    return cast


def test_the_ground_falls_away_with_its_rows() -> None:
    _, inverse = render(ground(), VIEW, lights(), AIR)
    rows = (np.arange(SIZE[0]) - SIZE[0] // 2) / (SIZE[1] / 2)  # tangent of the angle below the horizon
    expected = np.maximum(rows, 0)[:, None] / EYE_M * np.ones(SIZE[1])
    np.testing.assert_allclose(inverse[SIZE[0] // 2 + 2 :], expected[SIZE[0] // 2 + 2 :], rtol=1e-4)
    assert inverse[: SIZE[0] // 2].max() == 0  # the sky


@pytest.mark.parametrize(
    ("kind", "axes", "front_m"),
    [
        (SPHERE, np.diag([0.5, 0.5, 0.8]), 4.2),
        (BOX, np.diag([0.5, 0.4, 0.3]), 4.7),
        (CONE, np.diag([0.5, 0.6, 0.5]), 4.5),
        (CARD, np.diag([0.5, 0.5, 1.0]), 5.0),
        (BOX, upright(45, (0.5, 0.5, 0.5)), 5 - 0.5 * 2**0.5),
    ],
)
def test_the_middle_of_a_solid_is_where_its_front_is(kind: int, axes: np.ndarray, front_m: float) -> None:
    cast = Cast()
    cast.add(kind, np.array([0, EYE_M, 5.0]), axes, paint())
    _, inverse = render(cast, VIEW, lights(), AIR)
    assert 1 / inverse[SIZE[0] // 2, SIZE[1] // 2] == pytest.approx(front_m, rel=0.01)
    assert inverse[0].max() == inverse[:, 0].max() == 0  # and nothing where it is not


def test_a_cone_narrows_from_its_start() -> None:
    cast = Cast()
    cast.add(CONE, np.array([0, EYE_M, 5.0]), np.diag([0.8, 1.0, 0.8]), paint(), taper=0.75)
    _, inverse = render(cast, VIEW, lights(), AIR)
    widths = (inverse > 0).sum(1)
    below, above = widths[SIZE[0] // 2 + 8], widths[SIZE[0] // 2 - 8]
    assert above / below == pytest.approx((1 - 0.375 * 1.825) / (1 - 0.375 * 0.175), abs=0.12)


def test_the_nearer_solid_hides_the_farther() -> None:
    cast = Cast()
    for z, brightness in ((6.0, 0.1), (3.0, 0.8), (9.0, 0.3)):
        look = paint(0)
        look[:6], look[EMISSION] = brightness, 1.0
        cast.add(CARD, np.array([0, EYE_M, z]), np.diag([0.5, 0.5, 1.0]), look)
    dark = Lights(np.array([0, 1.0, 0]), np.zeros(3), np.zeros(3), np.zeros(3))
    picture, inverse = render(cast, VIEW, dark, AIR)
    middle = SIZE[0] // 2, SIZE[1] // 2
    assert 1 / inverse[middle] == pytest.approx(3)
    np.testing.assert_allclose(picture[middle], 0.8, rtol=1e-5)


def test_a_room_is_a_box_around_the_camera() -> None:
    cast = Cast()
    cast.add(BOX, np.array([0, EYE_M, 2.0]), np.diag([2.0, 1.2, 6.0]), paint())
    _, inverse = render(cast, VIEW, lights(), AIR)
    assert 1 / inverse[SIZE[0] // 2, SIZE[1] // 2] == pytest.approx(8)
    assert 1 / inverse[SIZE[0] // 2, -1] == pytest.approx(2 / (48 / 48.5), rel=1e-4)


def test_a_turned_camera_sees_what_is_there() -> None:
    cast = Cast()
    cast.add(SPHERE, np.array([5.0, EYE_M, 0]), np.eye(3) * 0.5, paint())
    _, inverse = render(cast, replace(VIEW, turn_deg=(0, 90, 0)), lights(), AIR)
    assert 1 / inverse[SIZE[0] // 2, SIZE[1] // 2] == pytest.approx(4.5, rel=0.01)


def test_what_stands_in_the_sun_throws_a_shadow_on_the_far_side() -> None:
    bare, _ = render(ground(), VIEW, lights((-1, 1, 0)), AIR)
    cast = ground()
    cast.add(BOX, np.array([0, 0.5, 5.0]), np.diag([0.2, 0.5, 0.2]), paint())
    picture, _ = render(cast, VIEW, lights((-1, 1, 0)), AIR)
    row = SIZE[0] // 2 + round(48.5 * EYE_M / 5)  # the ground 5 m away
    meter = 48.5 / 5
    right, left = (SIZE[1] // 2 + round(side * 0.7 * meter) for side in (1, -1))
    assert picture[row, right].mean() < 0.6 * bare[row, right].mean()
    np.testing.assert_allclose(picture[row, left], bare[row, left], rtol=1e-4)


def test_a_pattern_fades_to_its_mean_where_it_is_too_fine_to_be_seen() -> None:
    look = paint()
    look[:3], look[3:6], look[PATTERN], look[PERIOD_M] = 0.0, 1.0, CHECKS, 0.3
    look[EMISSION] = 1.0
    cast = Cast()
    cast.add(BOX, np.array([0, -1.0, 0]), np.diag([400.0, 1.0, 400.0]), look)
    dark = Lights(np.array([0, 1.0, 0]), np.zeros(3), np.zeros(3), np.zeros(3))
    picture, _ = render(cast, VIEW, dark, AIR)
    near, far = picture[-3:, :, 0], picture[SIZE[0] // 2 + 2, :, 0]
    assert near.std() > 0.4
    np.testing.assert_allclose(far, 0.5, atol=0.02)


@pytest.mark.parametrize("pose", POSES)
def test_people_stand_on_the_ground_in_every_pose(pose: str) -> None:
    cast = Cast()
    add_people(cast, np.random.default_rng(0), np.array([[0, 0, 5.0]]), [pose], height_m=1.8)
    _, centers, axes, _, _ = cast.solids()
    lowest, highest = (centers[:, 1] - np.abs(axes[:, :, 1]).max(1)).min(), centers[:, 1].max()
    assert -0.12 < lowest < (0.6 if pose == "fly" else 0.12)
    assert highest < (2.6 if pose in ("cheer", "handstand", "fly") else 1.9)
    if pose in ("stand", "walk", "film", "folded"):
        assert highest > 1.55


def test_a_scene_depends_on_its_seed_and_moves_with_time() -> None:
    first, again, later = (render(*build_scene(12, time_s, 48, 64)) for time_s in (0.0, 0.0, 0.5))
    other = render(*build_scene(13, 0.0, 48, 64))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[1], other[1])
    assert np.mean(first[1] != later[1]) > 0


@pytest.mark.slow
def test_every_kind_of_place_is_drawn_and_seen() -> None:
    spreads = []
    for seed in range(3 * len(PLACES)):
        picture, inverse = render(*build_scene(seed, 0.0, 32, 48))
        assert np.isfinite(picture).all() and np.isfinite(inverse).all()
        assert picture.min() >= 0 and inverse.min() >= 0
        spreads.append(np.ptp(inverse))
    assert np.mean(np.array(spreads) > 0.05) > 0.8  # a blank wall now and then is part of it


def test_a_developed_picture_is_of_its_size_in_range_and_shares_all_but_noise_with_its_clip() -> None:
    linear, inverse = render(*build_scene(4, 0.0, 96, 144))
    for seed in range(12):
        picture = develop(linear, inverse, (64, 96), seed=seed)
        assert picture.shape == (64, 96, 3) and picture.dtype == np.float32
        assert picture.min() >= 0 and picture.max() <= 1
        other = develop(linear, inverse, (64, 96), seed=seed, frame=1)
        assert np.abs(other - picture).mean() < 0.06
    assert not np.array_equal(develop(linear, inverse, (64, 96), seed=1), picture)


def printed_card(distance_m: float, period_m: float) -> np.ndarray:
    look = paint(0)
    look[:6] = 0, 0, 0, 1, 1, 1
    look[EMISSION], look[PATTERN], look[PERIOD_M] = 1, PRINTED, period_m
    cast = Cast()
    cast.add(CARD, np.array([0, EYE_M, distance_m]), np.diag([distance_m * 2, distance_m * 2, 1.0]), look)
    dark = Lights(np.array([0, 1.0, 0]), np.zeros(3), np.zeros(3), np.zeros(3))
    return render(cast, VIEW, dark, AIR)[0][:, :, 0]


def test_a_print_is_read_at_the_size_of_the_samples() -> None:
    # Seed 0 shows the first print. Close by, its own light and dark; from afar, their mean.
    first = prints()[0, :, :SIDE]
    near, far = printed_card(5.0, 5.0), printed_card(5.0, 0.01)
    assert near.std() == pytest.approx(first.std(), rel=0.35)
    assert far.mean() == pytest.approx(first.mean(), abs=0.03)
    assert far.std() < 0.3 * near.std()


def test_prints_go_on_at_their_other_side() -> None:
    ratios = []
    for page in prints()[:, :, :SIDE]:
        within = np.abs(np.diff(page, axis=1)).mean()
        ratios += [
            np.abs(page[:, 0] - page[:, -1]).mean() / within,
            np.abs(page[0] - page[-1]).mean() / within,
        ]
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    assert max(ratios) < 2.5  # a line along one side is 4


def test_smaller_prints_are_means_of_the_larger() -> None:
    packed = prints()
    assert packed.shape == (COUNT, SIDE, SIDE * 3 // 2)
    halved = packed[:, :SIDE, :SIDE].reshape(COUNT, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))
    np.testing.assert_allclose(packed[:, : SIDE // 2, SIDE:], halved, atol=1e-6)
