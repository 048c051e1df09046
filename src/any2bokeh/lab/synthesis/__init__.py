"""Synthetic scenes with their ground truth: descriptions, a ray tracer, data sets."""
