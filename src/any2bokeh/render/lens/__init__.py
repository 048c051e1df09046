"""The lens renderer: physics, no weights, any machine."""
