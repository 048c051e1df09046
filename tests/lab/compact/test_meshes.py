"""Surfaces of triangles: drawn where they are, lit, and standing on the ground of a scene."""

import numpy as np
import pytest

from any2bokeh.lab.compact.scenes.additions import AdditionSettings, Placement, SeenScene, add_to
from any2bokeh.lab.compact.scenes.cast import Air, Cast, Lights, Viewpoint, render
from any2bokeh.lab.compact.scenes.creatures import MAKERS
from any2bokeh.lab.compact.scenes.meshes import Mesh, block, draw_mesh, joined, skin_of, tube
from any2bokeh.lab.compact.scenes.shading import PAINT, PERIOD_M
from any2bokeh.lab.compact.scenes.solids import BOX

SIZE = 65, 97
EYE_M = 1.5


def scene() -> SeenScene:
    """A bright ground in noon's light, seen from eye height."""
    view = Viewpoint(
        place=np.array([0, EYE_M, 0]), turn_deg=(0, 0, 0), zoom=1.0, height=SIZE[0], width=SIZE[1]
    )
    lights = Lights(np.array([0, 1.0, 0]), np.ones(3), np.full(3, 0.5), np.full(3, 0.1))
    air = Air(np.zeros(3), np.zeros(3), np.zeros(4), np.zeros(4))
    look = np.zeros(PAINT)
    look[:6], look[[PERIOD_M, 10, 13]] = 0.5, 1.0
    cast = Cast()
    cast.add(BOX, np.array([0, -1.0, 0]), np.diag([400.0, 1.0, 400.0]), look)
    picture, inverse = render(cast, view, lights, air)
    return SeenScene(picture, inverse, view, lights, air, np.zeros_like(inverse))


def wall(z: float, half: float = 0.5, color: float = 1.0) -> Mesh:
    """A square that faces the camera at a distance."""
    corners = np.array(
        [[-half, EYE_M - half, z], [half, EYE_M - half, z], [half, EYE_M + half, z], [-half, EYE_M + half, z]]
    )
    return Mesh(
        positions=corners,
        normals=np.tile([0.0, 0, -1], (4, 1)),
        colors=np.full((4, 3), color),
        triangles=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )


def drawn(*meshes: Mesh) -> tuple[np.ndarray, np.ndarray]:
    inverse, picture = np.zeros(SIZE, np.float32), np.zeros((*SIZE, 3), np.float32)
    camera = scene().camera
    for mesh in meshes:
        draw_mesh(mesh, mesh.colors, camera, inverse, picture)
    return inverse, picture[..., 0]


def test_a_square_has_its_size_and_its_distance() -> None:
    inverse, picture = drawn(wall(4.0))
    assert inverse[32, 48] == pytest.approx(0.25)
    focal = SIZE[1] / 2
    assert np.count_nonzero(inverse[32]) == pytest.approx(focal / 4, abs=1)
    assert set(np.unique(picture)) == {0, 1}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_surface_is_seen_in_whatever_order_they_are_drawn(order: tuple[int, int]) -> None:
    walls = [wall(4.0, color=0.3), wall(2.0, half=0.1, color=0.8)]
    inverse, picture = drawn(*(walls[number] for number in order))
    assert inverse[32, 48] == pytest.approx(0.5) and picture[32, 48] == pytest.approx(0.8)
    assert inverse[32, 42] == pytest.approx(0.25) and picture[32, 42] == pytest.approx(0.3)


def test_inverse_depth_is_exact_along_a_slope() -> None:
    slope = wall(4.0)
    slope.positions[[1, 2], 2] = 2.0  # its right side is nearer
    inverse, _ = drawn(slope)
    row = inverse[32]
    columns = np.flatnonzero(row)
    x = (columns - (SIZE[1] - 1) / 2) / (SIZE[1] / 2)  # of the ray, at distance 1; z = 3 - 2 x z on the slope
    np.testing.assert_allclose(row[columns], (1 + 2 * x) / 3, rtol=1e-4)


def test_what_reaches_behind_the_camera_is_left_out() -> None:
    behind = wall(3.0)
    behind.positions[0, 2] = -1.0
    inverse, _ = drawn(behind)
    assert inverse[20, 48] == 0 or inverse.max() < 1  # no triangle wraps around the camera


def test_a_tube_is_as_thick_as_it_says_and_its_normals_point_outwards() -> None:
    rng = np.random.default_rng(1)
    mesh = tube(np.array([[0.0, 0, 0], [0, 2, 0]]), [0.3, 0.3], skin_of(rng))
    reach = np.hypot(mesh.positions[:, 0], mesh.positions[:, 2])
    assert reach.max() == pytest.approx(0.3)
    middle = (mesh.positions[:, 1] > 0.5) & (mesh.positions[:, 1] < 1.5)
    away = (mesh.positions * mesh.normals)[middle][:, [0, 2]].sum(1) / reach[middle]
    assert (np.abs(away) > 0.95).all() and abs(np.sign(away).sum()) == middle.sum()


@pytest.mark.parametrize("kind", MAKERS)
def test_things_are_whole_and_of_the_size_of_things(kind: str) -> None:
    for seed in range(3):
        mesh = MAKERS[kind][0](np.random.default_rng(seed))
        assert np.isfinite(mesh.positions).all() and np.isfinite(mesh.normals).all()
        assert 0.03 < np.ptp(mesh.positions, axis=0).max() < 12
        assert mesh.triangles.min() == 0 and mesh.triangles.max() < len(mesh.positions)
        assert mesh.colors.min() >= 0 and mesh.colors.max() <= 1


def placed(mesh: Mesh, spot: np.ndarray | None = None) -> Placement:
    """A mesh on the ground at ``spot``, by default where it is, in full sunshine."""
    return Placement(mesh=mesh, spot=np.zeros(3) if spot is None else spot, sunshine=1.0, person=None)


def test_what_is_added_stands_on_the_ground_in_its_own_shadow() -> None:
    seen = scene()
    before = seen.picture.copy()
    box = block(np.full(3, 0.5), skin_of(np.random.default_rng(2))).standing()
    assert seen.add(placed(box, np.array([0.3, 0, 4.0])))
    rows, _ = np.nonzero(seen.owners == 1)
    lowest = rows.max()
    assert seen.inverse[lowest, 52] == pytest.approx(1 / 3.5, abs=0.01)  # its front side
    # The ground in front of it is as near as where it stands, and keeps what it shows except for the shadow.
    assert seen.inverse[lowest + 1, 52] == pytest.approx(seen.inverse[lowest, 52], rel=0.08)
    changed = np.abs(seen.picture - before).max(2) > 1e-3
    assert (changed & (seen.owners == 0)).sum() > 10  # shadow
    assert not changed[:20].any()


def test_what_would_hardly_be_seen_is_not_added() -> None:
    seen = scene()
    screen = wall(2.0, half=1.5)
    assert seen.add(placed(screen))
    before = seen.picture.copy()
    assert not seen.add(placed(wall(6.0)))  # behind the screen
    assert not seen.add(placed(wall(60.0, half=0.05)))  # too small
    assert not seen.add(placed(joined([wall(-3.0)])))  # behind the camera
    np.testing.assert_array_equal(seen.picture, before)
    assert seen.owners.max() == 1


def test_things_come_into_a_scene_by_seed() -> None:
    def filled(seed: int) -> SeenScene:
        seen = scene()
        add_to(seen, np.random.default_rng(seed), AdditionSettings())
        return seen

    once, again = filled(3), filled(3)
    np.testing.assert_array_equal(once.picture, again.picture)
    assert sum(filled(seed).owners.max() > 0 for seed in range(6)) >= 4
    assert (once.inverse >= scene().inverse).all()
