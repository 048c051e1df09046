"""Errors that a user can act on."""

import errno
import re

ARGUMENT = re.compile(
    r"`([a-z_][a-z_0-9.]*)(?:=([^`]+))?`"
)  # how a message names one: `name` or `name=value`


LONGEST_MESSAGE = 1900  # characters
LONGEST_SHOWN = 61  # characters of a value in a message


class RefocusError(Exception):
    """A failure whose message is one sentence for the user; ``hint`` says what to do about it.

    Arguments stand in both between backticks, alone or with a value: `device=auto`. The command line says the
    options in their place. ``may_pass`` is set where the same work may succeed later; see ``may_pass``.
    """

    may_pass = False

    def __init__(self, message: str, hint: str = "") -> None:
        if len(message) > LONGEST_MESSAGE:  # of a text from a file
            message = f"{message[: LONGEST_MESSAGE // 2]} ... {message[-LONGEST_MESSAGE // 4 :]}"
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments that the message is about, in its order."""
        return tuple(found[1] for found in ARGUMENT.finditer(self.message))


# Of storage: full, failing, or gone for a while, as a network's may be; and of memory that others have.
_PASSING_NAMES = (
    *("ENOSPC", "EDQUOT", "EIO", "ENOMEM", "EAGAIN", "EBUSY", "ENOLCK", "ESTALE", "ETIMEDOUT", "ENOTCONN"),
    *("ECONNRESET", "EHOSTDOWN", "EREMOTEIO", "EFBIG"),
)
_PASSING = {getattr(errno, name) for name in _PASSING_NAMES if hasattr(errno, name)}  # no system has all
_PASSING_TYPES = ("OutOfMemoryError", "AcceleratorError")  # of torch, which need not be loaded to ask
_LOST_DEVICE = re.compile("CUDA error|CUDA driver|cuDNN error|device-side", re.IGNORECASE)


def may_pass(error: BaseException | None) -> bool:
    """Say whether the same work may succeed later: storage, memory or a device failed, not the work."""
    while error is not None:
        is_told = isinstance(error, RefocusError) and error.may_pass
        is_storage = isinstance(error, OSError) and error.errno in _PASSING
        is_device = type(error).__name__ in _PASSING_TYPES or (
            isinstance(error, RuntimeError) and bool(_LOST_DEVICE.search(str(error)))
        )
        if is_told or is_storage or is_device or isinstance(error, MemoryError):
            return True
        error = error.__cause__
    return False


class SettingsError(RefocusError):
    """The user gave a value that is not accepted, or values that contradict each other."""


class VideoError(RefocusError):
    """A video cannot be read or written."""


class DisparityError(RefocusError):
    """A disparity track does not fit its video, or holds values that are not disparity."""


class WeightsError(RefocusError):
    """Network weights are missing, damaged or of another shape."""


class ShapeError(RefocusError):
    """A tensor does not have the shape that a room asks for."""


class FocusError(RefocusError):
    """The focus asked for cannot be found in this video, or a file of focus over time cannot be used."""


class WorkError(RefocusError):
    """A work folder belongs to something else, or is not complete."""


class DatasetError(RefocusError):
    """A data set lacks a file, holds something else than it says, or cannot be written."""


def shown(value: object) -> str:
    """A value as messages show it: text in quotes, numbers short, the middle of a long one left out."""
    try:
        text = f"{value:.7g}" if isinstance(value, float) else repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of very many digits"
    if len(text) <= LONGEST_SHOWN:
        return text
    kept = (LONGEST_SHOWN - 3) // 2
    return f"{text[:kept]}...{text[-kept:]}"


def install_hint(extra: str) -> str:
    """Return the command that installs the packages of the extra called ``extra``.

    It names the packages themselves, as this one is on no index: that works beside a wheel and in a checkout.
    """
    from importlib import metadata  # here, because it takes a while to load and few messages need it

    try:
        lines = metadata.requires("any2bokeh") or []
    except metadata.PackageNotFoundError:  # run from its source folder, without being installed
        lines = []
    of_extra = re.compile(rf"\bextra\s*==\s*['\"]{re.escape(extra)}['\"]")
    needs = [line.partition(";")[0].strip() for line in lines if of_extra.search(line)]
    if not needs:
        return f"The extra {extra} in any2bokeh's pyproject.toml lists the packages."
    return " ".join(["pip install", *(f'"{need}"' for need in needs)])
