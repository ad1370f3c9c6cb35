"""Simulated events, made with Pythia."""
