"""What can go wrong in a way that a user can act on."""


class RefocusError(Exception):
    """A failure whose message is one sentence for the user.

    ``hint`` says what to do about it, in the words of the command line.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(RefocusError):
    """A value that the user gave is outside what is accepted."""


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


class DatasetError(RefocusError):
    """A data set lacks a file, holds something else than it says, or cannot be written."""
