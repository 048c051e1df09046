"""The network that is part of the package: it corrects the lens's picture where geometry is uncertain."""
