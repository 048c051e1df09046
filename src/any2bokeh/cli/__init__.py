"""The command line: options to settings, progress, exit codes; no tensors."""

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command line (by default the process's own) and return its exit code."""
    # All imports stand here, because Ctrl-C may come while they run as well.
    try:
        from any2bokeh.cli.signals import Stopped, signals_as_exceptions
    except KeyboardInterrupt:
        return 130
    try:
        with signals_as_exceptions():
            from any2bokeh.cli.program import run_command_line

            return run_command_line(arguments)
    except Stopped as stop:
        sys.stderr.write(f"Stopped: {stop}\n")
        return stop.exit_code
