"""Where the focus is in each frame: what a focus puller works out before the camera rolls."""
