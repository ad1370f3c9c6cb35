"""The coffea processors: thin compositions of the package's pure functions."""
