"""Things for a table, each made of a few planes. Places are (x, y, z) of where they stand."""

from any2bokeh.lab.synthesis.shapes import Box, Disc, Outline, Polygon, Stroke, Union, Without, mirrored
from any2bokeh.lab.synthesis.stage import BASE, Plane, Trajectory, Vec3, dimmed, rgb, still
from any2bokeh.lab.synthesis.strands import Leaves, Strands
from any2bokeh.lab.synthesis.textures import (
    Glow,
    Gradient,
    Noise,
    Over,
    Product,
    Rings,
    Stencil,
    Stripes,
    Uniform,
    round_shading,
)


def lantern(place: Vec3, height_m: float = 0.3) -> tuple[Plane, ...]:
    """A metal lantern with a candle: glass and frame before and behind the flame."""
    x, y, z = place
    width_m = 0.55 * height_m
    metal = Noise(low=rgb("#1d2024"), high=rgb("#4b4944"), scale_m=0.012, contrast=1.6, seed=3)
    shaded = Product(metal, round_shading(width_m))

    def framed(name: str, depth_m: float, outline: Outline) -> Plane:
        return Plane(
            name=name,
            size_m=(1.1 * width_m, 1.25 * height_m),
            texture=Stencil(texture=shaded, shape=outline),
            position=still(x, y, z + depth_m),
            anchor=BASE,
            texels=640,
        )

    low = -0.625 * height_m  # the card's lower edge
    frame = _lantern_frame(width_m, height_m, low)
    roof = _lantern_roof(width_m, height_m, low)
    glass = Plane(
        name="glass",
        size_m=(0.8 * width_m, 0.66 * height_m),
        texture=Rings(
            stops=(
                (0.0, (1.0, 0.46, 0.13)),
                (0.22 * height_m, (0.5, 0.2, 0.05)),
                (0.5 * height_m, (0.16, 0.055, 0.014)),
            )
        ),
        position=still(x, y + 0.05 * height_m, z + 0.03),
        anchor=BASE,
        emission=0.75,
        texels=96,
    )
    flame = Plane(
        name="flame",
        size_m=(0.4 * height_m, 0.4 * height_m),
        texture=Over(
            (
                Stencil(texture=Uniform((1.0, 0.62, 0.22)), shape=_flame(0.2 * height_m, 0.018 * height_m)),
                Glow(color=(1.0, 0.45, 0.1), radius_m=0.2 * height_m, peak=0.12, falloff=2.5),
            )
        ),
        position=Trajectory(start=(x, y + 0.33 * height_m, z), sway=(0.0006, 0.001, 0.0), sway_period_s=0.7),
        emission=6.0,
        texels=192,
    )
    return (
        framed("lantern front", -0.045, Union(parts=(frame, roof))),
        flame,
        _candle((x, y + 0.05 * height_m, z), 0.2 * height_m),
        glass,
        framed("lantern back", 0.045, frame),
        shadow("lantern shadow", (x, y, z), 0.75 * width_m, 0.8),
    )


def _lantern_frame(width_m: float, height_m: float, low: float) -> Outline:
    half, bar = width_m / 2, 0.02 * height_m
    posts = tuple(
        Box(
            size_m=(bar * (1.3 if side else 0.5), 0.7 * height_m),
            center=(side * (half - bar), low + 0.38 * height_m),
        )
        for side in (-1, 0, 1)
    )
    rails = tuple(
        Box(size_m=(width_m - bar, bar * thick), center=(0.0, low + at * height_m))
        for at, thick in ((0.1, 0.6), (0.5, 0.45), (0.7, 0.9))
    )
    foot = Box(
        size_m=(width_m, 0.06 * height_m), center=(0.0, low + 0.03 * height_m), corner_m=0.01 * height_m
    )
    return Union(parts=(*posts, *rails, foot))


def _lantern_roof(width_m: float, height_m: float, low: float) -> Outline:
    half = width_m / 2
    roof = Polygon(
        points=tuple(
            (side * share * half, low + at * height_m)
            for side, share, at in (
                (-1, 1.04, 0.72),
                (1, 1.04, 0.72),
                (1, 1.0, 0.75),
                (1, 0.36, 0.88),
                (1, 0.3, 0.96),
                (-1, 0.3, 0.96),
                (-1, 0.36, 0.88),
                (-1, 1.0, 0.75),
            )
        )
    )
    ring = Without(
        whole=Disc(radius_m=0.13 * height_m, center=(0.0, low + 1.08 * height_m)),
        hole=Disc(radius_m=0.108 * height_m, center=(0.0, low + 1.08 * height_m)),
    )
    return Union(parts=(roof, ring))


def _flame(height_m: float, width_m: float) -> Outline:
    low = -height_m * 0.3
    return Stroke(
        points=((0.0, low), (0.0, low + 0.3 * height_m), (0.1 * width_m, low + 0.7 * height_m)),
        width_m=2 * width_m,
        end_width_m=0.1 * width_m,
        softness_m=0.8 * width_m,
    )


def _candle(place: Vec3, height_m: float) -> Plane:
    width_m = 0.85 * height_m
    wax = Gradient(stops=((-0.5 * height_m, (0.35, 0.16, 0.06)), (0.5 * height_m, (1.0, 0.62, 0.28))))
    return Plane(
        name="candle",
        size_m=(width_m, height_m),
        texture=Product(wax, round_shading(2.4 * width_m)),
        position=still(*place),
        anchor=BASE,
        emission=0.9,
        texels=64,
    )


def potted_plant(place: Vec3, height_m: float = 0.34, seed: int = 0) -> tuple[Plane, ...]:
    """A clay pot with leaves in three layers of depth, which move a little."""
    x, y, z = place
    pot_m = 0.36 * height_m
    clay = Noise(low=rgb("#8c4a2f"), high=rgb("#c4774f"), scale_m=0.03, contrast=1.2, seed=seed)
    rim = Box(size_m=(1.05 * pot_m, 0.18 * pot_m), center=(0.0, 0.41 * pot_m), corner_m=0.02 * pot_m)
    bowl = Polygon(points=mirrored(((0.33 * pot_m, -0.5 * pot_m), (0.48 * pot_m, 0.4 * pot_m))))
    pot = Plane(
        name="pot",
        size_m=(1.1 * pot_m, pot_m),
        texture=Stencil(texture=Product(clay, round_shading(1.1 * pot_m)), shape=Union(parts=(rim, bowl))),
        position=still(x, y, z),
        anchor=BASE,
        texels=256,
    )
    layers = tuple(
        _crown(
            f"leaves {layer}",
            (x + (0.0, 0.02, -0.015)[layer], y + 0.72 * pot_m, z + (-0.05, 0.01, 0.07)[layer]),
            0.95 * height_m,
            seed + layer,
            (1.0, 0.75, 0.4)[layer],
        )
        for layer in range(3)
    )
    return layers[0], layers[1], pot, layers[2], shadow("pot shadow", place, 0.8 * pot_m)


def _crown(name: str, place: Vec3, size_m: float, seed: int, brightness: float) -> Plane:
    stems = Strands(
        roots=((-0.04, -0.5 * size_m), (0.04, -0.5 * size_m)),
        count=9,
        length_m=0.8 * size_m,
        width_m=0.005,
        dark=rgb("#2d3a1a"),
        light=rgb("#5d6b33"),
        spread_deg=35,
        seed=seed,
    )
    leaves = Leaves(
        crown=Disc(radius_m=0.46 * size_m, center=(0.0, 0.03 * size_m), stretch=0.95),
        extent_m=(size_m, size_m),
        count=56,
        length_m=0.24 * size_m,
        dark=dimmed(rgb("#1e3320"), brightness),
        light=dimmed(rgb("#8db35a"), brightness),
        slenderness=0.36,
        hang_deg=55,
        spread_deg=140,
        seed=seed,
    )
    return Plane(
        name=name,
        size_m=(1.1 * size_m, 1.1 * size_m),
        texture=Over((leaves, stems)),
        position=still(*place),
        turn_deg=Trajectory(sway=(0.0, 0.0, 1.2), sway_period_s=3.1, sway_phase=0.21 * seed),
        anchor=BASE,
        texels=512,
    )


def cup(place: Vec3, height_m: float = 0.085) -> tuple[Plane, ...]:
    """A glazed cup with a blue band and a handle."""
    x, y, z = place
    half = 0.52 * height_m
    glaze = Stripes(
        first=Uniform(rgb("#cabfae")),
        second=Uniform(rgb("#3c6d92")),
        period_m=2 * height_m,
        direction_deg=0,
        share=0.13,
    )
    bowl = Polygon(
        points=mirrored(
            (
                (0.5 * half, -0.5 * height_m),
                (0.8 * half, -0.42 * height_m),
                (0.95 * half, -0.1 * height_m),
                (1.0 * half, 0.5 * height_m),
            )
        )
    )
    handle = Without(
        whole=Disc(radius_m=0.3 * height_m, center=(1.0 * half, 0.05 * height_m)),
        hole=Disc(radius_m=0.2 * height_m, center=(1.0 * half, 0.05 * height_m)),
    )
    return (
        Plane(
            name="cup",
            size_m=(2 * height_m, height_m),
            texture=Stencil(
                texture=Product(glaze, round_shading(2.1 * half)), shape=Union(parts=(bowl, handle))
            ),
            position=still(x, y, z),
            anchor=BASE,
            texels=256,
        ),
        shadow("cup shadow", place, 0.95 * height_m, 0.7),
    )


def shadow(name: str, place: Vec3, radius_m: float, strength: float = 0.75) -> Plane:
    """The soft shadow of something that stands on level ground."""
    return Plane(
        name=name,
        size_m=(2 * radius_m, 2 * radius_m),
        texture=Glow(color=(0.0, 0.0, 0.0), radius_m=radius_m, peak=strength, falloff=1.5),
        position=still(place[0], place[1] + 0.002, place[2]),
        turn_deg=still(y=-90),
        texels=64,
    )
