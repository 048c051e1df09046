"""Renderers: scenes in, refocused frames out."""
