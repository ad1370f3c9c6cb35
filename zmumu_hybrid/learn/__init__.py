"""Networks, their training and their use: the half of the package that needs torch."""
