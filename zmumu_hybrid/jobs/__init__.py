"""One module per command: what `zmumu` runs and Python users call."""
