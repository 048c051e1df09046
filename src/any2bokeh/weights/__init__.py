"""Network weights: the list of them, and how they get here."""
