"""Scenes whose truth is known: descriptions and a ray tracer."""
