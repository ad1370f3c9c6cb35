"""The figures of the study, one module a figure."""
