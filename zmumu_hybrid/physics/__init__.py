"""Kinematics of muon pairs and their smearing, as functions of arrays."""
