"""Change the focus of any video after it was shot."""

from importlib.metadata import version

__version__ = version("any2bokeh")
