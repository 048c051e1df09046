"""Disparity from a video network, which sees 32 frames at a time: Video Depth Anything."""
