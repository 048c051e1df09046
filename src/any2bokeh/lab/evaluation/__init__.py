"""How good a refocused clip is: metrics, methods to compare, and the report."""
