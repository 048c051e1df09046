"""Disparity: estimated, or read from a track."""
