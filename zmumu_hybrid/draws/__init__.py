"""Random draws as functions of keys: the same seed and event give the same number everywhere."""
