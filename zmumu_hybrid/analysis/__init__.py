"""An example analysis: from muon pairs to a signal strength, with systematic uncertainties."""
