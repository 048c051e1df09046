"""Change the focus of any video after it was shot."""


def __getattr__(name: str) -> str:
    """Look ``__version__`` up when it is asked for: that takes as long as all the rest of ``--help``."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("any2bokeh")
