"""Where checkpoints live on this machine."""

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "ANY2BOKEH_HOME"
FACTS_FILE = "bokeh.json"  # what makes a folder a checkpoint


def checkpoints_folder() -> Path:
    """Return where imported checkpoints live: in ``ANY2BOKEH_HOME``, else in the user's data folder."""
    if chosen := os.environ.get(HOME_VARIABLE):
        return Path(chosen).expanduser() / "weights"
    return platformdirs.user_data_path("any2bokeh") / "weights"


def imported_names() -> list[str]:
    """Return the names of the checkpoints that were imported, whole or damaged."""
    return sorted(path.parent.name for path in checkpoints_folder().glob(f"[!.]*/{FACTS_FILE}"))
