"""What tests ask of messages: the values that they name, not the sentence around these."""

import re


def naming(*values: object) -> str:
    """A pattern for ``pytest.raises(match=...)``: the message holds all these values, in any order."""
    return "(?s)" + "".join(f"(?=.*{re.escape(str(value))})" for value in values)
