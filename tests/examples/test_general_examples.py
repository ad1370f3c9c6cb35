"""The examples beyond two muons, at small size, and the laws that their networks obey."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zmumu_hybrid.deploy import Discriminant
from zmumu_hybrid.deploy.onnx_export import export
from zmumu_hybrid.nets.dimuon import DimuonHybrid
from zmumu_hybrid.training import Ensemble, TrainingTable, load_ensemble

pytest.importorskip("pythia8mc")
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Trained:
    """An example's hybrid and events that it has not seen."""

    ensemble: Ensemble
    test: TrainingTable
    scalars: tuple[str, ...]

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        return self.test.inputs

    def latents(self, p4: np.ndarray) -> list[torch.Tensor]:
        """Return the general and the symmetric latent, in float64."""
        network = copy.deepcopy(self.ensemble[0]).double()
        assert isinstance(network, DimuonHybrid)
        given = {name: torch.from_numpy(values) for name, values in (self.inputs | {"p4": p4}).items()}
        with torch.no_grad():
            return network.latents(network.features(**given))


@pytest.fixture(scope="module", params=["four_leptons", "mixed_collection"])
def trained(request: pytest.FixtureRequest) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        module = __import__(request.param)
        if request.param == "four_leptons":
            found = module.run(400, 3)
            assert set(found) == {"hybrid", "pfn", "invariant"}
            assert 0.55 < found["hybrid"][1] < 1
            ensemble = found["hybrid"][0]
        else:
            ensemble, confusion = module.run(400, 3)
            np.testing.assert_allclose(confusion.sum(1), 1)
            assert confusion[2, 2] > 0.6
        yield Trained(ensemble, module.sample(60, 7), module.SCALARS)
        for name in (request.param, "collisions"):
            del sys.modules[name]


def test_the_order_of_the_particles_does_not_matter(trained: Trained) -> None:
    """Any order; also the exchange of two particles of one species."""
    expected = trained.ensemble.scores(**trained.inputs)
    count = trained.inputs["p4"].shape[1]
    rng = np.random.default_rng(1)
    for _ in range(5):
        order = rng.permutation(count)
        moved = {name: values[:, order] for name, values in trained.inputs.items()}
        np.testing.assert_allclose(trained.ensemble.scores(**moved), expected, atol=2e-5)
    species = trained.inputs["scalars"]
    mask = trained.inputs.get("mask", np.ones(species.shape[:2], bool))
    swapped = trained.inputs["p4"].copy()
    exchanged = 0
    for event, (labels, there) in enumerate(zip(species, mask, strict=True)):
        same = [j for j in range(1, count) if there[j] and (labels[j] == labels[0]).all()]
        if same:
            swapped[event, [0, same[0]]] = swapped[event, [same[0], 0]]
            exchanged += 1
    assert exchanged > 10
    np.testing.assert_allclose(trained.ensemble.scores(**(trained.inputs | {"p4": swapped})), expected, atol=2e-5)


def test_padding_changes_nothing(trained: Trained) -> None:
    """The same weights with room for two more particles, and nonsense in all that is not there."""
    config, inputs = trained.ensemble.config, trained.inputs
    events = replace(config.events, particles=config.events.particles + 2, masked=True)
    modules = [DimuonHybrid(replace(config, events=events)) for _ in trained.ensemble]
    for module, known in zip(modules, trained.ensemble, strict=True):
        module.load_state_dict(known.state_dict())
    mask = np.pad(inputs.get("mask", np.ones(inputs["p4"].shape[:2], bool)), ((0, 0), (0, 2)))
    p4, scalars = (np.pad(inputs[name], ((0, 0), (0, 2), (0, 0))) for name in ("p4", "scalars"))
    p4[~mask], scalars[~mask] = np.nan, 99.0
    found = Ensemble(modules).scores(p4, mask=mask, scalars=scalars)
    np.testing.assert_allclose(found, trained.ensemble.scores(**inputs), atol=1e-6)


def test_the_symmetric_latent_is_lorentz_invariant(trained: Trained) -> None:
    """A boost along z after a rotation about x; the general latent does change."""
    rapidity, angle = 0.7, 0.4
    boost, rotation = np.eye(4), np.eye(4)
    boost[0, 0] = boost[3, 3] = np.cosh(rapidity)
    boost[0, 3] = boost[3, 0] = np.sinh(rapidity)
    rotation[2, 2] = rotation[3, 3] = np.cos(angle)
    rotation[2, 3], rotation[3, 2] = -np.sin(angle), np.sin(angle)
    p4 = trained.inputs["p4"]
    general, symmetric = trained.latents(p4)
    general_moved, symmetric_moved = trained.latents(p4 @ (boost @ rotation).T)
    scale = symmetric.abs().max()
    assert (symmetric - symmetric_moved).abs().max() < 1e-6 * scale
    assert (general - general_moved).abs().max() > 1e-2 * general.abs().max()


def test_it_is_saved_exported_and_applied_to_collections(trained: Trained, tmp_path: Path) -> None:
    run = trained.ensemble.save(tmp_path / "run")
    np.testing.assert_array_equal(
        load_ensemble(run).scores(**trained.inputs), trained.ensemble.scores(**trained.inputs)
    )
    model, _ = export(run, tmp_path / "model.onnx", scalars=trained.scalars)
    discriminant = Discriminant.load(model, out_of_range="ignore")
    assert discriminant.card.task == "particles"
    assert discriminant.card.scalars[0] == "charge"
    found = discriminant.evaluate(**trained.inputs)
    np.testing.assert_allclose(found.score, trained.ensemble.scores(**trained.inputs).mean(0), atol=1e-5)
    assert ((found.general_weight > 0) & (found.general_weight < 1)).all()
    assert found.counts["ht"]["values"] == len(trained.test)
