"""Things for a street: lamps, trees, people. Places are (x, y, z) of where they stand or hang."""

from any2bokeh.lab.synthesis.shapes import Box, Disc, Point, Polygon, Stroke, Union, Without, mirrored
from any2bokeh.lab.synthesis.stage import (
    BASE,
    Light,
    Plane,
    Rgb,
    Texture,
    Trajectory,
    Vec3,
    dimmed,
    rgb,
    still,
)
from any2bokeh.lab.synthesis.strands import Leaves, Strands
from any2bokeh.lab.synthesis.textures import (
    Glow,
    Noise,
    Over,
    Product,
    Rings,
    Stencil,
    Uniform,
    round_shading,
)

WARM = rgb("#ffb765")


def lamp(name: str, place: Vec3, radius_m: float, radiance: float, color: Rgb = WARM) -> Plane:
    """A glowing globe: brightest in the middle, soft at the rim."""
    pale = (color[0], 0.1 * color[0] + 0.9 * color[1], 0.9 * color[2] + 0.06)
    globe = Rings(stops=((0.0, pale), (0.75 * radius_m, color), (radius_m, dimmed(color, 0.25))))
    return Plane(
        name=name,
        size_m=(2.2 * radius_m, 2.2 * radius_m),
        texture=Stencil(texture=globe, shape=Disc(radius_m=radius_m, softness_m=0.25 * radius_m)),
        position=still(*place),
        emission=radiance,
        texels=48,
    )


def halo(name: str, place: Vec3, radius_m: float, radiance: float, color: Rgb = WARM) -> Plane:
    """The haze around a lamp: light that occludes next to nothing."""
    cover = 0.04
    return Plane(
        name=name,
        size_m=(2 * radius_m, 2 * radius_m),
        texture=Glow(color=color, radius_m=radius_m, peak=cover, falloff=3.0),
        position=still(*place),
        emission=radiance / cover,
        texels=64,
    )


def street_lamp(name: str, place: Vec3, height_m: float = 2.9) -> tuple[tuple[Plane, ...], Light]:
    """A post with a globe, its haze, and the light that it throws."""
    x, y, z = place
    globe_m = 0.14
    post = Plane(
        name=f"{name} post",
        size_m=(0.3, height_m),
        texture=Product(Uniform((0.06, 0.065, 0.07)), round_shading(0.1)),
        shape=Union(
            parts=(
                Box(size_m=(0.07, height_m)),
                Box(size_m=(0.14, 0.35), center=(0.0, 0.175 - height_m / 2)),
                Box(size_m=(0.16, 0.05), center=(0.0, height_m / 2 - 0.03)),
            )
        ),
        position=still(x, y, z),
        anchor=BASE,
        texels=256,
    )
    top = (x, y + height_m + 0.8 * globe_m, z)
    planes = (lamp(f"{name} globe", top, globe_m, 2.2), halo(f"{name} halo", top, 1.0, 0.18), post)
    return planes, Light(color=dimmed(WARM, 3.4), position=still(*top), radius_m=0.5)


def garland(name: str, start: Vec3, end: Vec3, bulbs: int, sag_m: float = 0.35) -> tuple[Plane, ...]:
    """Bulbs on a wire that hangs between two points at one depth."""
    width_m = end[0] - start[0]
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - sag_m / 2, start[2])

    def hang(share: float) -> Point:
        drop = sag_m * (4 * share * (1 - share))
        rise = start[1] + share * (end[1] - start[1])
        return (share - 0.5) * width_m, rise - drop - middle[1]

    wire = Plane(
        name=f"{name} wire",
        size_m=(width_m, sag_m + abs(end[1] - start[1]) + 0.1),
        texture=Stencil(
            texture=Uniform((0.012, 0.012, 0.014)),
            shape=Stroke(points=tuple(hang(i / 16) for i in range(17)), width_m=0.012),
        ),
        position=still(*middle),
        texels=1400,
    )
    lamps = []
    for i in range(bulbs):
        right, up = hang((i + 0.5) / bulbs)
        tint = (rgb("#ffa950"), rgb("#ffcb8c"), rgb("#ff9440"))[i % 3]
        place = (middle[0] + right, middle[1] + up - 0.06, start[2] - 0.01)
        lamps.append(lamp(f"{name} bulb {i}", place, 0.045, 2.0, tint))
    return (*lamps, wire)


def tree(name: str, place: Vec3, height_m: float, seed: int = 0) -> tuple[Plane, ...]:
    """A tree: a trunk, and a crown of leaves that sways."""
    x, y, z = place
    crown_m = 0.72 * height_m
    bark = Noise(low=rgb("#2a211b"), high=rgb("#5b4a3a"), scale_m=0.12, stretch=0.3, seed=seed)
    trunk = Plane(
        name=f"{name} trunk",
        size_m=(0.09 * height_m, 0.5 * height_m),
        texture=Product(bark, round_shading(0.09 * height_m)),
        shape=Stroke(
            points=((0.0, -0.25 * height_m), (0.0, 0.25 * height_m)),
            width_m=0.075 * height_m,
            end_width_m=0.04 * height_m,
        ),
        position=still(x, y, z + 0.1),
        anchor=BASE,
        texels=96,
    )
    leaves = Leaves(
        crown=Union(
            parts=tuple(
                Disc(radius_m=share * crown_m, center=(right * crown_m, up * crown_m))
                for share, right, up in ((0.3, -0.17, -0.08), (0.32, 0.15, -0.05), (0.3, 0.0, 0.17))
            )
        ),
        extent_m=(crown_m, crown_m),
        count=900,
        length_m=0.085 * crown_m,
        dark=rgb("#16241c"),
        light=rgb("#6f8a4c"),
        spread_deg=120,
        seed=seed,
    )
    crown = Plane(
        name=f"{name} crown",
        size_m=(1.05 * crown_m, 1.05 * crown_m),
        texture=leaves,
        position=still(x, y + 0.27 * height_m, z),
        turn_deg=Trajectory(sway=(0.0, 0.0, 0.7), sway_period_s=4.3, sway_phase=0.17 * seed),
        anchor=BASE,
        texels=512,
    )
    return crown, trunk


def person(name: str, position: Trajectory, coat: Texture, height_m: float = 1.75, seed: int = 0) -> Plane:
    """Someone in a patterned coat, seen from the front, arms by the side."""
    return Plane(
        name=name,
        size_m=(0.4 * height_m, height_m),
        texture=Over((*_head(height_m, seed), *_clothes(height_m, coat))),
        position=position,
        anchor=BASE,
        texels=512,
    )


def _head(size_m: float, seed: int) -> tuple[Texture, ...]:
    """Hair, a face and a neck of someone ``size_m`` tall."""
    head = Disc(radius_m=0.062 * size_m, center=(0.0, 0.415 * size_m), stretch=0.82)
    neck = Box(size_m=(0.05 * size_m, 0.08 * size_m), center=(0.0, 0.345 * size_m))
    eyes = (Disc(radius_m=0.007 * size_m, center=(side * 0.02 * size_m, 0.42 * size_m)) for side in (-1, 1))
    mouth = Box(size_m=(0.03 * size_m, 0.006 * size_m), center=(0.0, 0.385 * size_m))
    hair = Without(
        whole=Disc(radius_m=0.075 * size_m, center=(0.0, 0.425 * size_m), stretch=0.85),
        hole=Disc(radius_m=0.06 * size_m, center=(0.0, 0.395 * size_m), stretch=0.8),
    )
    loose_hair = Strands(
        roots=((-0.05 * size_m, 0.46 * size_m), (0.05 * size_m, 0.46 * size_m)),
        count=60,
        length_m=0.13 * size_m,
        width_m=0.004 * size_m,
        dark=(0.01, 0.006, 0.004),
        light=(0.08, 0.045, 0.025),
        grow_deg=-90,
        spread_deg=25,
        seed=seed,
    )
    skin = Product(Uniform((0.5, 0.29, 0.2)), round_shading(0.14 * size_m))
    return (
        Stencil(texture=Uniform((0.03, 0.018, 0.01)), shape=hair),
        Stencil(texture=Uniform((0.04, 0.015, 0.012)), shape=Union(parts=(*eyes, mouth))),
        Stencil(texture=skin, shape=Union(parts=(head, neck))),
        loose_hair,
    )


def _clothes(size_m: float, coat: Texture) -> tuple[Texture, ...]:
    """The coat and the legs of someone ``size_m`` tall."""

    def limbs(line: tuple[Point, ...], width: float, end_width: float) -> tuple[Stroke, ...]:
        return tuple(
            Stroke(
                points=tuple((side * x * size_m, y * size_m) for x, y in line),
                width_m=width * size_m,
                end_width_m=end_width * size_m,
            )
            for side in (-1, 1)
        )

    side_line = ((0.1, -0.17), (0.085, 0.05), (0.125, 0.28), (0.05, 0.34))
    body = Polygon(points=mirrored(tuple((x * size_m, y * size_m) for x, y in side_line)))
    arms = limbs(((0.11, 0.28), (0.15, 0.1), (0.14, -0.06)), 0.055, 0.035)
    legs = limbs(((0.045, -0.05), (0.06, -0.48)), 0.085, 0.05)
    return (
        Stencil(texture=Product(coat, round_shading(0.32 * size_m)), shape=Union(parts=(body, *arms))),
        Stencil(texture=Uniform((0.035, 0.04, 0.06)), shape=Union(parts=legs)),
    )
