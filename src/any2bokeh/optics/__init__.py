"""Focus, circle of confusion, MPI planes and light; pure tensor functions."""
