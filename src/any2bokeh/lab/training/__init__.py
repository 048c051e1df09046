"""Training: networks of ours, from data made here."""
