"""Les Houches Event files: read strictly and in bulk, and written."""

from __future__ import annotations

from zmumu_hybrid.lhe.event_stream import LHEStream
from zmumu_hybrid.lhe.header import LHEInit, LHEProcess, LHEWeight
from zmumu_hybrid.lhe.reader import iterate_lhe, read_init, read_lhe

__all__ = ["LHEInit", "LHEProcess", "LHEStream", "LHEWeight", "iterate_lhe", "read_init", "read_lhe"]
