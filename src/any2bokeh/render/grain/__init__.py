"""The grain of a clip: measured, and put back where blur took it away."""
