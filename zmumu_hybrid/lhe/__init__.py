"""Les Houches Event files: reading and writing (arXiv:hep-ph/0609017, arXiv:1405.1067)."""
