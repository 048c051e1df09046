"""The example's stage: a lantern on a terrace table at dusk, a promenade with lamps behind it."""

from tableware import cup, lantern, potted_plant, shadow

from any2bokeh.lab.synthesis.shapes import Bars, Box, Disc, Union
from any2bokeh.lab.synthesis.stage import BASE, Camera, Light, Plane, Stage, Trajectory, rgb, still
from any2bokeh.lab.synthesis.strands import Leaves
from any2bokeh.lab.synthesis.street import garland, lamp, person, street_lamp, tree
from any2bokeh.lab.synthesis.textures import (
    Bricks,
    Checks,
    Gradient,
    Noise,
    Over,
    Product,
    Stencil,
    Stripes,
    Uniform,
    Writing,
)

TABLE_M = 0.74  # height of the table
LANTERN = (-0.16, TABLE_M, 1.5)
NEAR_M, FAR_M = 0.6, 80.0
STREET_LAMPS = ((-2.2, 0.0, 10.5), (1.5, 0.0, 14.5), (-1.1, 0.0, 19.0), (4.3, 0.0, 22.0))
SHOP_LIGHTS = (
    ((-8.6, 1.9, 34.0), "#ffb765"),
    ((-6.9, 1.2, 31.0), "#ff6b52"),
    ((-3.6, 2.2, 36.0), "#ffe0b0"),
    ((-2.3, 0.9, 29.0), "#6fd0c8"),
    ((-0.4, 1.8, 37.0), "#ffb765"),
    ((1.5, 1.1, 33.0), "#ffd08a"),
    ((2.9, 2.0, 35.0), "#ff7d57"),
    ((4.6, 1.3, 30.0), "#ffb765"),
    ((6.6, 2.1, 36.0), "#7fc9d6"),
    ((8.8, 1.5, 32.0), "#ffc98a"),
)
HOUSES = (  # x, z, width, height
    (-16.0, 46.0, 11.0, 6.9),
    (-5.5, 52.0, 8.0, 5.2),
    (4.0, 48.0, 8.0, 8.6),
    (17.0, 44.0, 12.0, 6.2),
)


def evening() -> Stage:
    """The whole scene, good for some 4 seconds: the camera trucks right and turns back to the table."""
    lamps = [street_lamp(f"lamp {i}", place) for i, place in enumerate(STREET_LAMPS)]
    candle = Light(
        color=(0.15, 0.081, 0.034),
        position=still(LANTERN[0], LANTERN[1] + 0.12, LANTERN[2] - 0.03),
        radius_m=0.16,
    )
    planes = (
        *_branch(),
        *_table(),
        *_promenade(),
        *(plane for planes, _ in lamps for plane in planes),
        *town(),
    )
    return Stage(
        camera=Camera(
            field_of_view_deg=36,
            position=Trajectory(start=(-0.1, 0.97, 0.0), velocity=(0.045, 0.0, 0.012)),
            turn_deg=Trajectory(start=(3.4, -2.0, 0.0), velocity=(-1.5, 0.0, 0.0)),
        ),
        planes=planes,
        lights=(candle, *(light for _, light in lamps)),
        ambient=(0.085, 0.1, 0.16),
        sky=rgb("#1b2440"),
        near_m=NEAR_M,
        far_m=FAR_M,
    )


def _branch() -> tuple[Plane, ...]:
    """Leaves close to the camera in the upper right corner."""
    leaves = Leaves(
        crown=Disc(radius_m=0.1, center=(0.06, 0.06)),
        extent_m=(0.3, 0.3),
        count=26,
        length_m=0.06,
        dark=rgb("#142015"),
        light=rgb("#587043"),
        slenderness=0.42,
        hang_deg=-120,
        spread_deg=60,
        seed=5,
    )
    return (
        Plane(
            name="branch",
            size_m=(0.3, 0.3),
            texture=leaves,
            position=still(0.36, 1.13, 0.75),
            turn_deg=Trajectory(sway=(0.0, 0.0, 1.5), sway_period_s=3.7),
            anchor=(1.0, 1.0),
            texels=384,
        ),
    )


def _table() -> tuple[Plane, ...]:
    """The subject: a lantern among things on a table."""
    wood = Product(
        Bricks(
            tints=(rgb("#94714f"), rgb("#836246"), rgb("#a07d5a"), rgb("#8b6a4b")),
            joint=rgb("#2a1a10"),
            size_m=(1.3, 0.14),
            joint_m=0.005,
            seed=2,
        ),
        Noise(low=(0.45, 0.42, 0.4), high=(1.1, 1.1, 1.1), scale_m=0.02, stretch=14.0, contrast=1.6, seed=9),
    )
    top = Plane(
        name="table",
        size_m=(2.0, 1.5),
        texture=wood,
        position=still(0.0, TABLE_M, 0.7),
        turn_deg=still(y=-90),
        anchor=BASE,
        texels=1200,
    )
    page = Writing(ink=rgb("#2b2622"), paper=rgb("#a89c85"), line_m=0.011, seed=4)
    margin = Over((Stencil(texture=page, shape=Box(size_m=(0.105, 0.15))), Uniform(rgb("#a89c85"))))
    letter = Plane(
        name="letter",
        size_m=(0.135, 0.19),
        texture=margin,
        position=still(0.0, TABLE_M + 0.003, 1.28),
        turn_deg=still(x=-14, y=-90),
        texels=512,
    )
    return (
        *lantern(LANTERN),
        *potted_plant((0.28, TABLE_M, 1.75), 0.3, seed=11),
        *cup((0.07, TABLE_M, 1.55)),
        letter,
        top,
    )


def promenade_ground() -> Plane:
    """The paving behind the table."""
    paving = Product(
        Bricks(
            tints=(rgb("#6d6761"), rgb("#7b746b"), rgb("#645f5b"), rgb("#857a6c")),
            joint=rgb("#2f2c2a"),
            size_m=(0.6, 0.4),
            joint_m=0.025,
            seed=6,
        ),
        Noise(low=(0.6, 0.6, 0.6), high=(1.1, 1.1, 1.1), scale_m=0.9, seed=7),
    )
    return Plane(
        name="ground",
        size_m=(60.0, 76.0),
        texture=paving,
        position=still(0.0, 0.0, 3.0),
        turn_deg=still(y=-90),
        anchor=BASE,
        patch_m=(6.0, 8.0),
        texels=1024,
    )


def _promenade() -> tuple[Plane, ...]:
    """The ground behind the table, a railing, lights on wires and people."""
    iron = Uniform((0.035, 0.038, 0.045))
    rail = Union(
        parts=(
            Bars(period_m=0.14, width_m=0.018),
            Box(size_m=(9.0, 0.045), center=(0.0, 0.42)),
            Box(size_m=(9.0, 0.03), center=(0.0, -0.36)),
        )
    )
    railing = Plane(
        name="railing",
        size_m=(9.0, 0.9),
        texture=iron,
        shape=rail,
        position=still(0.0, 0.0, 8.2),
        anchor=BASE,
        texels=1,
    )
    return (
        railing,
        *garland("garland near", (-2.4, 1.86, 6.0), (2.3, 1.8, 6.0), 11, 0.26),
        *garland("garland far", (-3.6, 2.62, 11.0), (3.9, 2.5, 11.0), 15, 0.5),
        *_walkers(),
        promenade_ground(),
    )


def _walkers() -> tuple[Plane, ...]:
    """Two people who stroll to the right."""
    tartan = Over(
        (
            Stencil(texture=Uniform(rgb("#d9c08a")), shape=Bars(period_m=0.09, width_m=0.008)),
            Stencil(
                texture=Uniform(rgb("#d9c08a")), shape=Bars(period_m=0.09, width_m=0.008, direction_deg=0)
            ),
            Checks(first=Uniform(rgb("#9c2f2a")), second=Uniform(rgb("#5c1f28")), cell_m=0.045),
        )
    )
    striped = Stripes(
        first=Uniform(rgb("#d8dbe0")), second=Uniform(rgb("#2f4c78")), period_m=0.07, direction_deg=0
    )
    walk = Trajectory(
        start=(-0.15, 0.0, 12.0), velocity=(0.16, 0.0, 0.0), sway=(0.0, 0.012, 0.0), sway_period_s=0.55
    )
    stroll = Trajectory(
        start=(0.45, 0.0, 12.2), velocity=(0.16, 0.0, 0.0), sway=(0.0, 0.012, 0.0), sway_period_s=0.6
    )
    return (
        person("walker", walk, tartan, 1.72, seed=1),
        person("stroller", stroll, striped, 1.8, seed=2),
        shadow("walkers' shadow", (0.4, 0.0, 12.1), 0.9, 0.6),
    )


def town() -> tuple[Plane, ...]:
    """Trees, lights, houses and the sky behind them."""
    shops = tuple(
        lamp(f"shop light {i}", place, 0.14, 2.2, rgb(tint)) for i, (place, tint) in enumerate(SHOP_LIGHTS)
    )
    houses = tuple(_house(i, *house) for i, house in enumerate(HOUSES))
    dusk = Gradient(
        stops=(
            (-2.0, rgb("#d9825f")),
            (2.5, rgb("#b06f78")),
            (8.0, rgb("#5c5a86")),
            (18.0, rgb("#2a3763")),
        )
    )
    sky = Plane(
        name="sky", size_m=(110.0, 60.0), texture=dusk, position=still(z=79.0), emission=0.8, texels=512
    )
    return (
        *tree("left tree", (-4.4, 0.0, 16.5), 5.2, seed=31),
        *tree("right tree", (5.6, 0.0, 18.0), 5.6, seed=32),
        *tree("far tree", (0.9, 0.0, 30.0), 6.0, seed=33),
        *shops,
        *houses,
        sky,
    )


def _house(number: int, x_m: float, z_m: float, width_m: float, height_m: float) -> Plane:
    """A dark front with some windows lit."""
    lit, dim, dark = rgb("#ffc273"), rgb("#8a5a35"), rgb("#11141d")
    facade = Bricks(
        tints=(dark, dark, dim, lit, dark),
        joint=rgb("#1e2233"),
        size_m=(1.5, 1.7),
        joint_m=0.75,
        offset=0.0,
        seed=20 + number,
    )
    return Plane(
        name=f"house {number}",
        size_m=(width_m, height_m),
        texture=facade,
        position=still(x_m, 0.0, z_m),
        anchor=BASE,
        emission=0.8,
        texels=256,
    )
