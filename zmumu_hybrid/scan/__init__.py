"""A scan of hyperparameters on validation events."""
