"""The candidate table: one row per muon pair, its split, weights and histograms."""
