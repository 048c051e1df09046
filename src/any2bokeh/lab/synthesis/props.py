"""What props share: how round things are shaded, shadows, where things stand."""

from any2bokeh.lab.synthesis.scenes import Plane, Rgb, Texture, Vec3, still
from any2bokeh.lab.synthesis.shapes import Point
from any2bokeh.lab.synthesis.textures import Glow, Gradient

BASE = (0.0, -1.0)  # anchor of things that stand


def round_shading(width_m: float, *, light_from_left: bool = True) -> Texture:
    """Light and shade of an upright cylinder, to multiply with what it is made of."""
    stops = ((-0.5, 0.45), (-0.28, 1.0), (0.05, 0.75), (0.42, 0.2), (0.5, 0.3))
    side = 1 if light_from_left else -1
    places = tuple((side * place * width_m, (share, share, share)) for place, share in stops)
    return Gradient(stops=tuple(sorted(places)), direction_deg=0)


def shadow(name: str, place: Vec3, radius_m: float, strength: float = 0.75) -> Plane:
    """The soft shadow of something that stands on level ground."""
    return Plane(
        name=name,
        size_m=(2 * radius_m, 2 * radius_m),
        texture=Glow(colour=(0.0, 0.0, 0.0), radius_m=radius_m, peak=strength, falloff=1.5),
        position=still(place[0], place[1] + 0.002, place[2]),
        turn_deg=still(y=-90),
        texels=64,
    )


def dimmed(colour: Rgb, share: float) -> Rgb:
    """A colour, dimmed."""
    return colour[0] * share, colour[1] * share, colour[2] * share


def mirrored(right: tuple[Point, ...]) -> tuple[Point, ...]:
    """A closed line from its right half, given upwards."""
    return right + tuple((-x, y) for x, y in reversed(right))
