"""The lens compiled for a CPU."""
