"""The settings: one frozen dataclass per step, each checks itself; every default lives here, once."""
