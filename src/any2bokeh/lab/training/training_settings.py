"""Settings of a training run: a stage's values, overridden by a TOML file's and by single ones."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from any2bokeh.documents import parse_toml, read_document
from any2bokeh.errors import SettingsError, shown
from any2bokeh.lab.perturbation import PerturbSettings
from any2bokeh.lab.run_state import rate_share
from any2bokeh.settings.values import check_choice

StageName = Literal["geometry", "temporal", "detail"]
SizeName = Literal["tiny", "small", "svd"]
Loss = Literal["latents", "pixels", "squared"]
TextureLoss = Literal["paper", "published"]  # see ``texture_loss``
Precision = Literal["auto", "no", "bf16", "fp16"]
Settings = TypeVar("Settings")

LARGEST_SEED = 2**31 - 1
MOST = {"workers": 256, "epochs": 1_000_000, "steps": 2**31 - 1}


@dataclass(frozen=True, kw_only=True)
class TrainingPerturbSettings(PerturbSettings):
    """How training perturbs; ``everywhere``: the whole frame is perturbed, not only the thing in focus."""

    everywhere: bool = False

    @property
    def strengths(self) -> PerturbSettings:
        """The strengths of the perturbation."""
        return PerturbSettings(
            **{one.name: getattr(self, one.name) for one in fields(PerturbSettings)}  # type: ignore[arg-type]
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """One stage. Defaults are in ``stages.toml``; there is none here that could differ.

    ``train`` and ``freeze`` are patterns of parameter names, ``unet.`` or ``vae.`` and the rest: parameters
    that only the first match are trained. ``loss``: mean squared difference of ``latents``; mean
    absolute difference of ``pixels``; mean ``squared`` difference of pixels, which PSNR measures. All but the
    first plus ``texture`` times the texture loss. A step is ``accumulate`` batches of ``batch`` windows of
    ``frames`` frames, for each process; ``crop`` is the side of a square in pixels, 0 the whole frame.
    ``steps`` counts if it is not 0, else ``epochs``. The learning rate rises over ``warmup`` steps and falls
    to 0 over the last ``cooldown``. ``clip_gradient`` is the largest norm, 0 any. ``average``: the share that
    a moving average of the weights keeps at each step, and the checkpoint holds that average; 0 is none.
    ``perturbed`` and ``flipped`` are shares of windows. ``checkpointing`` saves memory for time. ``workers``
    are processes that read.
    """

    train: tuple[str, ...]
    freeze: tuple[str, ...]
    loss: Loss
    frames: int
    crop: int
    batch: int
    accumulate: int
    epochs: float
    steps: int
    learning_rate: float
    warmup: int
    cooldown: int
    weight_decay: float
    beta2: float
    clip_gradient: float
    average: float
    texture: float
    texture_loss: TextureLoss
    perturbed: float
    flipped: float
    precision: Precision
    checkpointing: bool
    checkpoint_every: int
    look_every: int
    workers: int
    seed: int
    perturb: TrainingPerturbSettings = field(default_factory=TrainingPerturbSettings)

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, Loss)
        check_choice("texture_loss", self.texture_loss, TextureLoss)
        check_choice("precision", self.precision, Precision)
        for name in ("frames", "batch", "accumulate", "checkpoint_every", "look_every"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be 1 or more, got {getattr(self, name)}.")
        for name in (
            *("steps", "epochs", "crop", "warmup", "cooldown", "workers"),
            *("weight_decay", "clip_gradient", "texture"),
        ):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} must be 0 or more, got {getattr(self, name)}.")
        for name in ("perturbed", "flipped", "average", "beta2"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} must be a share from 0 to 1, got {getattr(self, name)}.")
        if self.beta2 == 1:
            raise SettingsError("beta2 must be below 1: the optimizer divides by 1 - beta2.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise SettingsError(f"seed must be 0 to {LARGEST_SEED}, got {shown(self.seed)}.")
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise SettingsError(f"{name} must be {most} or less, got {shown(getattr(self, name))}.")
        if self.learning_rate <= 0 or (self.steps <= 0 and self.epochs <= 0):
            raise SettingsError("The learning rate and either steps or epochs must be above 0.")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0, of so many."""
        share = rate_share(step, steps, warmup=self.warmup, cooldown=self.cooldown)
        return self.learning_rate * share


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One run: where the data are, which network, and how it is trained.

    ``start`` is a checkpoint, or a folder of Stable Video Diffusion's ``unet/`` and ``vae/``, by name or
    path. ``validation`` is a data set that is only looked at.
    """

    stage: StageName
    size: SizeName
    data: Path
    training: TrainingSettings
    validation: Path | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        check_choice("stage", self.stage, StageName)
        check_choice("size", self.size, SizeName)


def training_settings(
    stage: StageName, config: Path | None = None, changes: Iterable[str] = ()
) -> TrainingSettings:
    """Return the settings of a stage: the shipped ones, over them a file's, over them ``changes``.

    A TOML file holds the settings themselves, or a table of them for each stage, as the shipped one.
    ``changes`` are ``key=value``, nested keys with a dot. Raises ``SettingsError`` for an unknown key,
    naming the nearest.
    """
    shipped = tomllib.loads(files(__package__).joinpath("stages.toml").read_text(encoding="utf-8"))
    table: dict[str, Any] = {}
    for stage_name in dict.fromkeys(("geometry", stage)):  # which holds the values that all others omit
        _merge(table, shipped[stage_name])
    if config is not None:
        given = read_toml(config)
        _merge(table, given.get(stage, given))
    for change in changes:
        _merge(table, _parse_change(change))
    return make_settings(TrainingSettings, table)


def change_settings(settings: TrainingSettings, changes: Iterable[str]) -> TrainingSettings:
    """Return the settings with ``key=value`` changed."""
    table = asdict(settings)
    for change in changes:
        _merge(table, _parse_change(change))
    return make_settings(TrainingSettings, table)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a file; raises ``SettingsError``."""
    try:
        return parse_toml(read_document(path))
    except FileNotFoundError as error:
        raise SettingsError(f"The settings {path} do not exist.") from error
    except OSError as error:
        raise SettingsError(f"The settings {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"The settings {path} are no TOML: {error}.") from error


def make_settings(kind: type[Settings], table: Mapping[str, Any], prefix: str = "") -> Settings:
    """Return a dataclass of values by name, nested ones from nested tables; raises ``SettingsError``."""
    hints = get_type_hints(kind)
    for name in table:
        if name not in hints:
            close = difflib.get_close_matches(name, hints, 1)
            hint = f"Did you mean {prefix}{close[0]}?" if close else f"There are {', '.join(hints)}."
            raise SettingsError(f"There is no setting {prefix}{name}.", hint=hint)
    declared = fields(kind)  # type: ignore[arg-type]
    if missing := sorted(one.name for one in declared if one.name not in table and _is_needed(one)):
        raise SettingsError(f"The setting {prefix}{missing[0]} is missing.")
    return kind(**{name: _value(hints[name], value, f"{prefix}{name}") for name, value in table.items()})


def _is_needed(one: Any) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _value(kind: Any, value: Any, name: str) -> Any:
    """``value`` as ``kind``; raises ``SettingsError`` where it is of another."""
    if isinstance(value, Mapping) and is_dataclass(kind) and isinstance(kind, type):
        return make_settings(kind, value, f"{name}.")
    choices = get_args(kind)
    if kind == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (int, bool, str) and type(value) is kind:
        return value
    if choices and value in choices:
        return value
    if Path in (kind, *choices) and isinstance(value, str):
        return Path(value)
    if str in choices and isinstance(value, str):
        return value
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    wanted = " | ".join(map(str, choices)) if choices else words.get(kind, str(kind))
    raise SettingsError(f"The setting {name} must be {wanted}, got {shown(value)}.")


def _parse_change(change: str) -> dict[str, Any]:
    """The table that ``key=value`` stands for; a text needs no quotes."""
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise SettingsError(f"{shown(change)} is not key=value.", hint="`training.learning_rate=1e-4`")
    try:
        parsed = parse_toml(f"value = {value}")["value"]
    except ValueError:
        parsed = value.strip()
    table: dict[str, Any] = {}
    inner = table
    *outer, last = (part.strip() for part in key.split("."))
    for part in outer:
        inner = inner.setdefault(part, {})
    inner[last] = parsed
    return table


def _merge(table: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Put ``changes`` over ``table``, nested tables into nested ones."""
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(table.get(name), dict):
            _merge(table[name], value)
        else:
            table[name] = dict(value) if isinstance(value, Mapping) else value
