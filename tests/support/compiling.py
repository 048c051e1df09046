"""Compiling, which goes on in threads of any test in the same process."""

import time

from any2bokeh.jit import is_compiling

PATIENCE_S = 240


def wait_for_the_compiler() -> None:
    """Return once nobody compiles: until then, a lens that is closed does not wait for its threads."""
    until = time.monotonic() + PATIENCE_S
    while is_compiling():
        assert time.monotonic() < until, "somebody compiles without end"
        time.sleep(0.05)
