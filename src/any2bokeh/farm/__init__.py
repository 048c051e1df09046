"""Long jobs: clips in parts, which many processes and machines make, and their joining."""
