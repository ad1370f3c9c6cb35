"""What the observables of an analysis measure, and how well that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.measurement import precision
from zmumu_hybrid.measurement.fit import Fit
from zmumu_hybrid.measurement.observables import Observable
from zmumu_hybrid.measurement.systematics import Systematics
from zmumu_hybrid.measurement.templates import Templates, Yields

if TYPE_CHECKING:
    from hist import Hist

__all__ = ["Result", "measure"]


@dataclass(frozen=True, slots=True)
class Result:
    """What one observable measures.

    Attributes
    ----------
    name, kind : str
        Of the observable.
    bins : int
        After merging.
    fit : Fit
    precision : float
        Expected uncertainty of the signal strength, from `zmumu_hybrid.measurement.precision`.
    precision_uncertainty : float
        How well that is known from the simulated events.
    gain : float
        The precision of the mass cut over this one: how many times better; `gain_uncertainty` as above.
    spread : float or None
        Mean spread of the score over the members of the ensemble, by weight, for the signal.
    """

    name: str
    kind: str
    bins: int
    fit: Fit
    precision: float
    precision_uncertainty: float
    gain: float
    gain_uncertainty: float
    spread: float | None


def measure(
    observables: Sequence[Observable],
    templates: Mapping[str, Templates],
    found: Mapping[str, Any],
    fits: Mapping[str, Fit],
    systematics: Systematics,
    yields: Yields,
) -> list[Result]:
    """Return the measurements, with the uncertainties of the precisions by the jackknife over the blocks."""
    two_sided = systematics.two_sided

    def measured(made: Templates) -> float:
        return precision.expected_uncertainty(made, two_sided, yields)

    values = {name: measured(made) for name, made in templates.items()}
    replicas = {}
    for name, made in templates.items():
        blocks = found["blocks"][name]
        count = len(blocks.axes["block"])
        replicas[name] = np.array(
            [measured(made.again(_without(blocks, index), yields, systematics.shapes)) for index in range(count)]
        )
    results = []
    for each in observables:
        spread = found["spread"][each.name].get("signal", np.nan)
        weight = found["weights"]["signal"]["nominal"]
        results.append(
            Result(
                name=each.name,
                kind=each.kind,
                bins=len(templates[each.name].edges) - 1,
                fit=fits[each.name],
                precision=values[each.name],
                precision_uncertainty=precision.jackknife(replicas[each.name]),
                gain=values["mass-cut"] / values[each.name],
                gain_uncertainty=precision.jackknife(replicas["mass-cut"] / replicas[each.name]),
                spread=float(spread / weight) if np.isfinite(spread) and weight else None,
            )
        )
    return results


def _without(blocks: Hist[Any], index: int) -> Hist[Any]:
    """Return the sum over all blocks but one."""
    import hist

    whole = blocks[{"block": sum}]
    piece = blocks[{"block": index}]
    made = hist.Hist(*whole.axes, storage=hist.storage.Weight(), name=whole.name)
    for name in ("value", "variance"):
        made.view(flow=True)[name] = whole.view(flow=True)[name] - piece.view(flow=True)[name]
    return made
