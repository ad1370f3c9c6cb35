"""The coffea processors: thin compositions of the package's pure functions."""

from zmumu_hybrid.processors.dimuon import DimuonConfig, DimuonProcessor

__all__ = ["DimuonConfig", "DimuonProcessor"]
