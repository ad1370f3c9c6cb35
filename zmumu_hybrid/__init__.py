"""zmumu-hybrid: learning broken symmetries with approximate invariance, on the Scikit-HEP stack."""
