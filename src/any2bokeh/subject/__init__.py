"""The subject: its mask, and disparity that keeps all of it in focus."""
