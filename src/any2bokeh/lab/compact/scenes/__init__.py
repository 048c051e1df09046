"""Scenes by the thousand for training depth: a color picture and its inverse depth in milliseconds.

The ray tracer beside this room samples a lens and light transport, at seconds for a frame; its scenes are
built by hand. A depth network wants the opposite: no lens, but hundreds of thousands of pictures, each
of another scene. So here simple solids are hit by one ray per sample, lit by formulas, and aged by
camera artifacts.
"""
