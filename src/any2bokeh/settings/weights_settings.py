"""How published weights become a checkpoint."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from any2bokeh.errors import SettingsError, shown
from any2bokeh.paths import checked_name
from any2bokeh.settings.values import check_choice

MaskMode = Literal["released", "paper"]
KPrecision = Literal["float32", "float16_exponents", "float16"]


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How published weights become a checkpoint: its name, and how the mask mode is found.

    ``mask_mode`` overrides the mode found in the weights; ``svd`` is the U-Net of Stable Video Diffusion to
    compare them with, by default the one that was downloaded, if any.
    """

    name: str = "any-to-bokeh"
    mask_mode: MaskMode | None = None
    svd: Path | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise SettingsError(
                f"`name` takes letters, digits, '.', '-' and '_' only, got {shown(self.name)}."
            )
        checked_name(self.name, "The name of a checkpoint")
        if self.mask_mode is not None:
            check_choice("`mask_mode`", self.mask_mode, MaskMode)
