"""Color spaces of an OpenColorIO configuration: their codes to scene light and back."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from any2bokeh.errors import SettingsError, install_hint, shown
from any2bokeh.scene import SceneEncoding

BUILT_IN = "ocio://"
SCENE_LINEAR = "scene_linear"  # the role of the space that light is worked on in
LISTED = 6
PLAIN_ENCODING = "scene-linear"


@dataclass(frozen=True, eq=False)
class OcioSpace(SceneEncoding):
    """A color space; light is in the configuration's role ``scene_linear``.

    It takes pictures ``3 H W`` float32 alone, as its primaries may be others.
    """

    name: str
    config_name: str
    config: Any = field(repr=False)

    def encode(self, linear: Tensor) -> Tensor:
        """Code values of scene light, ``3 H W``."""
        return _applied(self._encoder, linear)

    def decode(self, code: Tensor) -> Tensor:
        """Scene light of code values, ``3 H W``."""
        return _applied(self._decoder, code)

    def sibling(self, name: str) -> "OcioSpace":
        """Return another space of the same configuration; raises ``SettingsError`` if it has none such."""
        return OcioSpace(_known(self.config, self.config_name, name), self.config_name, self.config)

    @property
    def files(self) -> list[Path]:
        """The file of the configuration, and the folders of its tables; none where it is built in."""
        if self.config_name.startswith(BUILT_IN):
            return []
        here = Path(self.config_name).parent
        return [Path(self.config_name), *(here / folder for folder in self.config.getSearchPaths() if folder)]

    @property
    def is_linear(self) -> bool:
        """Whether codes are light itself, which floats alone can hold."""
        return bool(self.config.getColorSpace(self.name).getEncoding() == PLAIN_ENCODING)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, OcioSpace) and (other.name, other.config_name) == (
            self.name,
            self.config_name,
        )
        return same

    def __hash__(self) -> int:
        return hash((self.name, self.config_name))

    def __str__(self) -> str:
        return f"{self.name} of {self.config_name}"

    @cached_property
    def _encoder(self) -> Any:
        return self._processor(SCENE_LINEAR, self.name)

    @cached_property
    def _decoder(self) -> Any:
        return self._processor(self.name, SCENE_LINEAR)

    def _processor(self, source: str, target: str) -> Any:
        import PyOpenColorIO

        try:
            processor = self.config.getProcessor(source, target)
        except (
            PyOpenColorIO.Exception,
            PyOpenColorIO.ExceptionMissingFile,
        ) as error:  # a file that the configuration names is missing
            raise SettingsError(
                f"{self.config_name} cannot convert {source} to {target}: {_sentence(error)}"
            ) from error
        # The faster ones compute logarithms to a thousandth of a stop.
        return processor.getOptimizedCPUProcessor(PyOpenColorIO.OPTIMIZATION_LOSSLESS)


def open_space(config_name: str, space: str | None, path: Path) -> OcioSpace:
    """Return a color space of a configuration: a file, or ``ocio://`` and the name of a built-in one.

    ``None`` is the space that its file rules say of ``path``. Raises ``SettingsError`` for a configuration
    that cannot be read, or has no such space.
    """
    try:
        import PyOpenColorIO
    except ImportError as error:
        raise SettingsError(
            "`ocio` needs the package OpenColorIO, which is not installed.", install_hint("ocio")
        ) from error
    try:
        config = PyOpenColorIO.Config.CreateFromFile(config_name)
        config.validate()
    except (PyOpenColorIO.Exception, PyOpenColorIO.ExceptionMissingFile) as error:
        known = [f"{BUILT_IN}{one[0]}" for one in PyOpenColorIO.BuiltinConfigRegistry().getBuiltinConfigs()]
        raise SettingsError(
            f"The color configuration {config_name} cannot be read: {_sentence(error)}",
            hint=f"Built in are {BUILT_IN}default, {', '.join(known[-2:])}.",
        ) from error
    _known(config, config_name, SCENE_LINEAR)
    name = space or config.getColorSpaceFromFilepath(str(path))[0]
    return OcioSpace(_known(config, config_name, name), config_name, config)


def _known(config: Any, config_name: str, name: str) -> str:
    """The canonical name of a space, which may be given by an alias or a role."""
    found = config.getColorSpace(name)
    if found is not None:
        return str(found.getName())
    names = [str(one) for one in config.getColorSpaceNames()]
    by_lower = {one.lower(): one for one in names}
    for one in names:
        by_lower |= {str(alias).lower(): one for alias in config.getColorSpace(one).getAliases()}
    words = name.lower().replace("-", " ").split()
    near = [one for lower, one in by_lower.items() if words and all(word in lower for word in words)]
    near += [by_lower[lower] for lower in get_close_matches(name.lower(), by_lower, LISTED, 0.4)]
    listed = list(dict.fromkeys(near))[:LISTED] or names[:LISTED]
    raise SettingsError(
        f"{config_name} has no color space {shown(name)}.",
        hint=f"{'Near names' if near else 'It has'}: {', '.join(listed)}.",
    )


def _applied(processor: Any, picture: Tensor) -> Tensor:
    if processor.isNoOp():
        return picture
    import PyOpenColorIO

    planes = torch.empty_like(picture, device="cpu", memory_format=torch.contiguous_format).copy_(picture)
    red, green, blue = planes.numpy()
    processor.apply(PyOpenColorIO.PlanarImageDesc(red, green, blue, red.shape[1], red.shape[0]))
    return planes.to(picture.device)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).removeprefix("Error: ").split()).rstrip(".") + "."
