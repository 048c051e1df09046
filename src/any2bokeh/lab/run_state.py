"""How the learning rate changes over a run."""


def rate_share(step: int, steps: int, *, warmup: int, cooldown: int) -> float:
    """Return the share of the full learning rate that a step has, counted from 0, of so many.

    It rises over the first ``warmup`` steps, stays, and falls to 0 over the last ``cooldown``.
    """
    return min((step + 1) / max(warmup, 1), 1) * min((steps - step) / max(cooldown, 1), 1)
