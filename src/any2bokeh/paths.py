"""Where the program keeps what it can make again."""

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "ANY2BOKEH_CACHE"


def cache_root() -> Path:
    """Return the folder of all caches: what ``ANY2BOKEH_CACHE`` names, else the user's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("any2bokeh")
