"""Events of ROOT, Parquet and LHE files in one schema, and the muon pair of each."""
