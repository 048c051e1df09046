"""For researchers: data sets, training and evaluation. It imports the product, never the reverse."""
