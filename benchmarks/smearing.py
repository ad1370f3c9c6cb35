"""Time of each step from events in memory to the finished table: `python benchmarks/smearing.py [EVENTS]`.

The events are toys with two muons each, as a converted file has them. Rates are the best of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import ReweightingConfig, final_weights
from zmumu_hybrid.draws.split import subset
from zmumu_hybrid.events.muon_pairs import PairSelection, select_pairs
from zmumu_hybrid.physics.smearing import SmearingConfig, smear, smear_components

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from toys import toy_events


def report(name: str, events: int, step: Callable[[], Any]) -> Any:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = step()
        seconds.append(time.perf_counter() - start)
    print(f"{name:42s} {min(seconds):8.3f} s {events / min(seconds) / 1e6:8.2f} M events/s")
    return result


def main(events: int) -> None:
    given = toy_events(events)
    pairs = report("select_pairs, leading", events, lambda: select_pairs(given))
    report("select_pairs, closest to the Z", events, lambda: select_pairs(given, PairSelection("closest-to-z")))
    smeared = report("smear, independent draws", events, lambda: smear(pairs, SmearingConfig(), "signal"))
    report("smear, shared draws", events, lambda: smear(pairs, SmearingConfig(mode="shared"), "signal"))
    table = report("candidates.build", events, lambda: candidates.build(pairs, smeared, 1, "signal"))
    report("histograms.fill", events, lambda: histograms.fill(histograms.make(), table))
    z = np.random.default_rng(0).normal(size=events)
    muon = [table[name] for name in ("true_px_0", "true_py_0", "true_pz_0")]
    report("smear_components, one muon", events, lambda: smear_components(*muon, np.full(events, 0.1), z))
    label = (np.arange(events) % 2).astype(np.int8)
    columns = [table[name] for name in ("is_test", "pt_0", "gen_weight")]
    report("final_weights", events, lambda: final_weights(label, *columns, ReweightingConfig()))
    identity = [table[name] for name in ("run", "luminosityBlock", "event")]
    report("subset", events, lambda: subset(*identity, size=0.2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
