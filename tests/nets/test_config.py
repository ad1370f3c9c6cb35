"""Descriptions of networks, and those that describe none."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from nets.samples import COLLECTION
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets import PFN, DimuonHybrid, InvariantNetwork, preset
from zmumu_hybrid.nets.config import (
    CONFIGS,
    EventShape,
    HybridConfig,
    InvariantNetworkConfig,
    Invariants,
    PFNConfig,
    network_config,
)
from zmumu_hybrid.nets.dimuon import build
from zmumu_hybrid.nets.presets import PRESETS

TRIPLE = EventShape(3)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"events": {"particles": 0}}, "events.particles must be an integer of at least 1, not 0"),
        ({"events": {"scalars": -1}}, "events.scalars must be an integer of at least 0, not -1"),
        ({"events": {"masked": 1}}, "events.masked must be true or false, not 1"),
        ({"events": {"muons": 2}}, "events: unknown key 'muons'; there are particles, scalars, masked"),
        ({"events": 3}, "events: must be a table of settings, not 3"),
        ({"invariants": "m2(all)"}, "invariants: must be a table of settings, not 'm2"),
        ({"invariants": {"names": "m2(all)"}}, "invariants.names must be a list of names"),
        ({"invariants": {"names": ["m3(all)"]}}, "'m3\\(all\\)' is no invariant"),
        ({"invariants": {"names": ["m2(0+2)"]}}, "there is no particle 2, only 0 to 1"),
        ({"invariants": {"names": []}}, "nothing to read"),
        ({"invariants": {"conditioned": ["edge"]}}, "must be one of mass_peak, mass_tail, not 'edge'"),
        ({"invariants": {"pairs": "dot"}}, "invariants.pairs: must be a table of settings, not 'dot'"),
        ({"invariants": {"pairs": {"names": ["cosine"]}}}, "must be one of dot, m2, difference, not 'cosine'"),
        ({"invariants": {"pairs": {"names": []}}}, "the map of pairs has nothing to read"),
        ({"invariants": {"pairs": {"latent": 0}}}, "invariants.pairs.latent must be an integer of at least 1"),
        (
            {"invariants": {"names": ["m2(all)"], "pairs": {}}, "events": {"particles": 1}},
            "invariants.pairs needs events of two particles or more",
        ),
        ({"context": ["met"]}, "'met' is no context variable"),
        ({"context": []}, "either context names variables or given_context says how many are given"),
        ({"given_context": 2}, "either context names variables or given_context"),
        ({"context": [], "given_context": -1}, "given_context must be an integer of at least 0"),
        ({"pooling": "mean"}, "pooling must be one of weighted-sum, .*, not 'mean'"),
        ({"particle_map": 64}, "particle_map must be a list of at most 100 widths, not 64"),
        ({"gate": [64, 0]}, "a width of gate must be an integer of at least 1"),
        ({"latent": True}, "latent must be an integer of at least 1, not True"),
        ({"classes": 0}, "classes must be an integer of at least 1"),
        ({"normalisation": "layer"}, "normalisation must be one of batch, none, not 'layer'"),
        ({"particle_norm": "event"}, "particle_norm must be one of feature, particle, not 'event'"),
        ({"particle_norm": "particle", "events": {"masked": True}}, "particle_norm 'particle' knows no mask"),
        ({"particle_features": ["pt"]}, "every one of particle_features must be one of log_pt"),
        ({"particle_features": ["log_pt"], "events": {"masked": True}}, "is for muon pairs without a mask"),
        ({"standardised": 1}, "standardised must be true or false, not 1"),
        ({"standardised": True, "events": {"masked": True}}, "standardised is for events without mask"),
        ({"activation": "silu"}, "unknown key 'activation'; there are particle_map"),
    ],
)
def test_what_makes_no_network_is_refused(described: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        network_config({"network": "hybrid", **described}, "wide.toml")
    assert str(caught.value).startswith("wide.toml: ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network_config({"network": "transformer"}, "a.toml"), "a.toml: network must be one of hybrid, pfn, "),
        (lambda: preset("transformer"), "model must be one of hybrid, pfn, invariant, not 'transformer'"),
        (lambda: preset("pfn", "best"), "preset must be one of paper, released, enlarged, tuned, not 'best'"),
        (lambda: preset("pfn", "enlarged"), "preset 'enlarged' has no pfn, only hybrid"),
        (lambda: preset("pfn", pooling="weighted-sum"), "pooling is no option of the pfn"),
        (lambda: PFN.preset("enlarged"), "preset 'enlarged' has no pfn, only hybrid"),
        (lambda: PFN.tuned(gate=(4,)), "gate is no option of the pfn"),
        (lambda: PFN(gate=(4,)), "gate is no field of PFNConfig"),
        (lambda: DimuonHybrid(PFNConfig()), "the configuration must be of type HybridConfig, not PFNConfig"),
        (
            lambda: InvariantNetworkConfig(events=EventShape(2, 1)),
            "events.scalars are read with invariants.pairs alone",
        ),
    ],
)
def test_what_there_is_not_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


@pytest.mark.parametrize("config", [*(c for each in PRESETS.values() for c in each.values()), COLLECTION])
def test_a_description_survives_json(config: Any) -> None:
    name = next(name for name, kind in CONFIGS.items() if type(config) is kind)
    written = json.loads(json.dumps({"network": name, **dataclasses.asdict(config)}))
    assert network_config(written, "a file") == config
    assert type(build(config)) is {"hybrid": DimuonHybrid, "pfn": PFN, "invariant": InvariantNetwork}[name]


def test_fields_change_a_description() -> None:
    assert DimuonHybrid(latent=8).config == HybridConfig(latent=8)
    assert DimuonHybrid(HybridConfig(latent=8), classes=3).config == HybridConfig(latent=8, classes=3)
    assert PFN.tuned(latent=4).config == dataclasses.replace(PRESETS["tuned"]["pfn"], latent=4)
    assert preset("hybrid", latent=None) == HybridConfig()
    four = HybridConfig(events=EventShape(4), invariants=Invariants(("m2(all)", "m2(0+1)")), context=("pt(all)", "ht"))
    assert DimuonHybrid(four).stacks["gate"] == (2, 64, 64, 2)
