"""Training of the compact disparity network on scenes that are made as it goes."""
