"""The command line: options to settings, progress, exit codes; no tensors."""

import os
import sys


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
        if arguments is None:
            _leave_the_compiler(stop.exit_code)
        return stop.exit_code


def _leave_the_compiler(exit_code: int) -> None:
    """End the process now if a thread compiles: nothing interrupts it, and it may take half a minute.

    All files are cleaned and all lines written by then. Python would wait for the thread, or tear down its
    memory under it.
    """
    jit = sys.modules.get("any2bokeh.jit")
    if jit and jit.is_compiling():
        os._exit(exit_code)


def _hold_standard_streams() -> None:
    """Open what the parent closed of the first three files: no result must come to stand there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free
