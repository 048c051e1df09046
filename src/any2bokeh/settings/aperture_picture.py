"""A picture as the shape of the aperture: settings hold its values, so that a run needs no file again."""

import base64
import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property

from any2bokeh.errors import SettingsError

LARGEST_SIDE = 128  # cells of an aperture's picture: five for each of the widest image that is drawn of it
FAINTEST = 1 / 500  # of its brightest part: less is the noise of what should be black
LARGEST_REACH = 3.0  # radii of the disc that blurs as much: light farther out is no part of a shape


@dataclass(frozen=True, repr=False)
class AperturePicture:
    """What a point of light becomes behind the focal plane: ``H W`` floats, row by row, in ``values``.

    They are linear light of any scale; 0 is closed. ``name`` is what messages call it. Made of a file by
    ``read_aperture``, of an array by ``AperturePicture.of``. Raises ``SettingsError`` for one that lets no
    light through, or whose light is spread so that it has no shape.
    """

    height: int
    width: int
    values: str = field(repr=False)  # base64 of float32, low byte first: settings are text in a work folder
    name: str = "the aperture's picture"

    def __post_init__(self) -> None:
        if not 0 < max(self.height, self.width) <= LARGEST_SIDE or min(self.height, self.width) < 1:
            raise SettingsError(
                f"{self.name} cannot be an aperture: its sides must be 1 to {LARGEST_SIDE}, got"
                f" {self.width}x{self.height}."
            )
        if self.reach > LARGEST_REACH:
            raise SettingsError(
                f"{self.name} cannot be an aperture: faint light fills it far around its bright part.",
                hint="Make the surroundings of the shape black, or crop them.",
            )

    @classmethod
    def of(cls, values: object, name: str = name) -> "AperturePicture":
        """Return the picture of an array ``H W`` of linear light, 0 or more, of any size."""
        import numpy as np

        light = np.asarray(values, np.float32)
        if light.ndim != 2 or not light.size:
            raise SettingsError(f"{name} cannot be an aperture: it must be H W, got {light.shape}.")
        if not np.isfinite(light).all():
            raise SettingsError(f"{name} cannot be an aperture: it holds values that are no finite numbers.")
        light = np.where(light >= FAINTEST * light.max(), light, 0).clip(min=0)
        if not light.any():
            raise SettingsError(
                f"{name} cannot be an aperture: it is black.",
                hint="White lets light through, black and transparent parts do not.",
            )
        rows, columns = np.flatnonzero(light.any(1)), np.flatnonzero(light.any(0))
        light = light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        step = max(light.shape) / LARGEST_SIDE
        if step > 1:
            light = _shrunk(_shrunk(light, step).T, step).T
        light = np.ascontiguousarray(light / light.max(), np.float32)
        height, width = light.shape
        return cls(height, width, base64.b64encode(light.astype("<f4").tobytes()).decode("ascii"), name)

    @cached_property
    def radius(self) -> float:
        """The radius in cells of the disc that blurs as much: whose light is as far from its middle."""
        # The second moment of a disc is r^2 / 2; each cell is a square, whose own is 1/12 along both axes.
        import numpy as np

        light, (x, y) = self.light, self.middle
        across = (np.arange(self.width) + 0.5 - x) ** 2 @ light.sum(0)
        down = (np.arange(self.height) + 0.5 - y) ** 2 @ light.sum(1)
        return math.sqrt(2 * ((across + down) / light.sum() + 1 / 6))

    @cached_property
    def middle(self) -> tuple[float, float]:
        """The center of its light, to the right and down, in cells from the upper left corner."""
        import numpy as np

        light = self.light
        x, y = np.arange(self.width) + 0.5, np.arange(self.height) + 0.5
        return float(x @ light.sum(0) / light.sum()), float(y @ light.sum(1) / light.sum())

    @cached_property
    def reach(self) -> float:
        """How far light lies from the center at most, in radii of the disc that blurs as much."""
        import numpy as np

        rows, columns = np.nonzero(self.light)
        x, y = self.middle
        # The corner of each cell that is farthest from the center.
        across, down = np.abs(columns + 0.5 - x) + 0.5, np.abs(rows + 0.5 - y) + 0.5
        return float(np.hypot(across, down).max()) / self.radius

    @property
    def light(self):  # type: ignore[no-untyped-def]  # numpy is not loaded for ``bokeh --help``
        """The values ``H W`` as an array, float64."""
        import numpy as np

        values = np.frombuffer(base64.b64decode(self.values), "<f4")
        return values.reshape(self.height, self.width).astype(np.float64)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"AperturePicture({self.name!r}, {hashlib.sha256(self.values.encode()).hexdigest()[:12]})"


def _shrunk(light, step: float):  # type: ignore[no-untyped-def]
    """Rows of an array, each the mean over ``step`` of the given ones."""
    import numpy as np

    count = math.ceil(len(light) / step - 1e-9)
    before = np.concatenate([np.zeros((1, light.shape[1])), np.cumsum(light, axis=0, dtype=np.float64)])
    ends = np.minimum(np.arange(count + 1) * step, len(light))
    whole = np.minimum(ends.astype(int), len(light) - 1)
    sums = before[whole] + (ends - whole)[:, None] * light[whole]
    return np.diff(sums, axis=0) / step
