"""How far a long piece of work has come, told to whoever asked for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """How far a stage of a run has come, in frames."""

    stage: Literal["depth", "subject", "focus", "things", "render", "join"]
    done: int
    total: int


OnProgress = Callable[[Progress], None]
OnCount = Callable[[int], None]  # told how many frames, bytes or steps are done


def ignore(*progress: object) -> None:
    """Report progress to nobody."""
