"""The command line: options to settings, progress, exit codes; no tensors."""

import os


def main(arguments: list[str] | None = None) -> int:
    """Run one command line (by default the process's own) and return its exit code."""
    # All imports stand here, because Ctrl-C may come while they run as well.
    try:
        from any2bokeh.cli.signals import Stopped, signals_as_exceptions
    except KeyboardInterrupt:
        return 130
    _hold_standard_streams()
    try:
        with signals_as_exceptions():
            from any2bokeh.cli.program import run_command_line

            return run_command_line(arguments)
    except Stopped as stop:
        from any2bokeh.cli.talk import say

        say(f"Stopped: {stop}")
        return stop.exit_code


def _hold_standard_streams() -> None:
    """Open what the parent closed of the first three files: no result must come to stand there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free
