"""How pictures move: optical flow, shots, propagation along motion."""
