"""Networks of anyone's own: what is exported, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import onnx
import pytest
import torch
import uproot
from coffea import processor
from torch import nn

from deploy.models import OwnNetwork, muon_pairs
from learned import toy_columns, write
from toyfiles import toy_root
from toys import toy_events
from zmumu_hybrid.deploy import Discriminant, export
from zmumu_hybrid.deploy.onnx_export import to_model
from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.events.schema import EventSchema
from zmumu_hybrid.jobs.apply import ApplyOptions, apply
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.variables import minkowski_product
from zmumu_hybrid.training import Ensemble, TrainingConfig, TrainingTable, load_ensemble


class Scores(processor.ProcessorABC):
    """A processor of anyone's own."""

    def __init__(self, discriminant: Discriminant) -> None:
        self.discriminant = discriminant

    def process(self, events: ak.Array) -> dict[str, Any]:
        found = self.discriminant(events.Muon)
        return {"scores": dict(zip(events.event.tolist(), found.score.tolist(), strict=True))}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    data = write(toy_columns(400), folder / "data")
    training = TrainingConfig(members=2, epochs=2, batch_size=64)
    return train(OwnNetwork, data, folder / "run", training, threads=1).output


def test_a_network_of_muon_pairs_is_applied_as_any_other(run: Path, tmp_path: Path) -> None:
    """With its own subnets: trained, exported, in a processor on futures, and by the command."""
    path, _ = export(run, tmp_path / "own.onnx", network=OwnNetwork)
    ensemble = load_ensemble(run, OwnNetwork)
    discriminant = Discriminant.load(path, out_of_range="ignore")
    card = discriminant.card
    assert (card.task, card.name, card.members, card.preset) == ("muon pair", "OwnNetwork", 2, None)
    assert set(card.limits) == {"pt", "eta", "energy"}
    assert repr(discriminant) == "<Discriminant OwnNetwork, 2 members, of a muon pair>"
    p4 = muon_pairs(600, 3)
    found = discriminant.evaluate(p4=p4)
    np.testing.assert_allclose(found.score, ensemble.scores(p4=p4).mean(0), atol=1e-5)
    factor = ensemble.symmetry_factor(np.hypot(p4[:, 0, 1], p4[:, 0, 2]) / 50)
    np.testing.assert_allclose(found.general_weight, factor[..., 0].mean(0), atol=1e-5)
    assert found.counts["pt"]["values"] == 1200
    file = toy_root(tmp_path / "a.root", 600, 3)
    runner = processor.Runner(
        processor.FuturesExecutor(workers=2, status=False), schema=EventSchema, chunksize=250, metadata_cache={}
    )
    out = runner.run({"data": {"files": {str(file): "Events"}}}, Scores(discriminant))
    by_event = out.get("out", out)["scores"]
    expected = dict(zip(toy_events(600, 3).event.tolist(), found.score.tolist(), strict=True))
    assert by_event.keys() == expected.keys()
    np.testing.assert_allclose([by_event[event] for event in expected], list(expected.values()), atol=1e-6)
    options = ApplyOptions(executor="futures", workers=2, chunksize=250)
    assert apply(path, [file], tmp_path / "out.root", options, show_progress=False).pairs == 600
    with uproot.open(tmp_path / "out.root") as written:
        table = written["scores"].arrays(library="np")
    np.testing.assert_array_equal(table["score"], [by_event[event] for event in table["event"].tolist()])


def test_a_run_does_not_say_what_makes_its_networks(run: Path) -> None:
    for load in (lambda: export(run, run / "no.onnx"), lambda: Discriminant.load(run), lambda: load_ensemble(run)):
        with pytest.raises(ModelError, match=r"networks of the class .*OwnNetwork: give the function .*network="):
            load()
    assert not (run / "no.onnx").exists()


class Attention(nn.Module):
    """A transformer of particles that are there or not, with three classes and quantities of its own."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, p4: torch.Tensor, mask: torch.Tensor, scalars: torch.Tensor) -> torch.Tensor:
        x = self.embed(torch.cat([p4 / 50, scalars], -1))
        x = self.encoder(x, src_key_padding_mask=~mask)
        return self.head((x * mask.unsqueeze(-1)).sum(1))

    def observables(self, p4: torch.Tensor, mask: torch.Tensor, **_others: torch.Tensor) -> dict[str, torch.Tensor]:
        total = (p4 * mask.unsqueeze(-1)).sum(1)
        return {"m2 of all": minkowski_product(total, total).unsqueeze(1)}


def test_a_transformer_of_particles() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 6, 300)
    mask = np.arange(5) < counts[:, None]
    p4 = np.where(mask[..., None], np.abs(rng.normal(30, 9, (300, 5, 4))) + np.array([99, 0, 0, 0]), 0)
    table = TrainingTable.of({"p4": p4, "mask": mask, "scalars": rng.integers(-1, 2, (300, 5, 1))}, counts % 3)
    ensemble = train(Attention, table, training=TrainingConfig(members=1, epochs=1, batch_size=50)).ensemble
    assert ensemble.inputs["scalars"] == {"dtype": "int64", "shape": [5, 1]}
    discriminant = Discriminant(to_model(ensemble, scalars=["charge"]))
    assert (discriminant.card.task, discriminant.card.classes) == ("particles", 3)
    found = discriminant.evaluate(p4, mask, scalars=table.inputs["scalars"])
    np.testing.assert_allclose(found.score, ensemble.scores(**table.inputs)[0], atol=1e-5)
    assert found.counts["m2 of all"]["values"] == 300
    assert not found.counts["m2 of all"]["above"]


class Images(nn.Sequential):
    """A convolution with batch normalisation, which cannot be folded, and another that can be."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(16, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 1), nn.Flatten(0),
        )  # fmt: skip


def test_images() -> None:
    """Networks that were trained in one's own way, of events that are no particles."""
    images = np.random.default_rng(0).normal(size=(40, 1, 4, 4)).astype(np.float32)
    networks = [Images() for _ in range(2)]
    for network in networks:
        network(torch.from_numpy(images))
    ensemble = Ensemble(networks)
    with pytest.raises(ConfigurationError, match="Images: what its forward takes is not known: give example="):
        to_model(ensemble)
    with pytest.raises(InputError, match="example: two events or more are needed"):
        to_model(ensemble, example=images[:1])
    discriminant = Discriminant(to_model(ensemble, example=images))
    assert discriminant.card.task == "arrays"
    assert list(discriminant.card.outputs) == ["logits", "scores"]
    found = discriminant.evaluate(images)
    np.testing.assert_allclose(found.score, ensemble.scores(images).mean(0), atol=1e-5)
    np.testing.assert_array_equal(discriminant.evaluate(input=images[7:8]).score, found.score[7:8])
    with pytest.raises(InputError, match="Images, 2 members, of a arrays>: give input to evaluate"):
        discriminant(toy_events(3).Muon)


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).squeeze(-1)


class Decides(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return y if y.sum() > 0 else -y


class LeavesTorch(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + float(x.detach().numpy().max())


class OfSoManyEvents(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.reshape(len(x), 4))


class NoSuchOperation(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + torch.special.bessel_j0(x).sum(-1)


class Draws(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x + 0 * torch.rand_like(x))


class OfTheBatch(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - x.mean(0))


class TooMany(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Complex(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.fft(x)[:, 1]


class Infinite(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) / 0


class OtherArguments(Linear):
    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return super().forward(y)


class SameNames(Linear):
    def observables(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"scores": x}


FAULTS = {
    Decides: r"Decides cannot be exported: Could not guard .*test_own_networks.py, line \d+\)\. .*without `if`",
    LeavesTorch: r"LeavesTorch cannot be exported: .*test_own_networks.py, line \d+\)\. .*\.numpy\(\)",
    OfSoManyEvents: r"OfSoManyEvents cannot be exported: .*for any number of events \(x.shape\[0\], not len\(x\)\)",
    NoSuchOperation: r"NoSuchOperation cannot be exported: ONNX has nothing for prims.bessel_j0",
    Draws: "Draws cannot be exported: has the operator 'RandomUniformLike', which a model must not have",
    OfTheBatch: "OfTheBatch cannot be exported: the score of an event depends on the others of its batch",
    TooMany: r"TooMany: its output for 40 events has the shape \(40, 1\) of torch.float32: a real logit",
    Complex: r"Complex: its output for 40 events has the shape \(40,\) of torch.complex64: a real logit",
    Infinite: "Infinite gives logits that are not finite for the example",
    OtherArguments: r"OtherArguments fails \(.*unexpected keyword argument 'x'\) for the example",
    SameNames: "SameNames: observables: 'scores' is the name of something else",
}


@pytest.mark.parametrize("network", FAULTS)
def test_what_cannot_be_exported_is_said_in_one_line(
    network: type[nn.Module], capfd: pytest.CaptureFixture[str]
) -> None:
    """And torch prints nothing of its own."""
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    with pytest.raises((ModelError, ConfigurationError), match=FAULTS[network]) as caught:
        to_model(Ensemble([network()]), example={"x": x})
    assert "\n" not in str(caught.value)
    assert "".join(capfd.readouterr()) == ""


def test_what_cannot_be_drawn_for_is_compared_on_an_example() -> None:
    class Embedded(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(torch.sqrt(x - 1))

    x = np.random.default_rng(0).uniform(2, 3, (40, 4)).astype(np.float32)
    ensemble = Ensemble([Embedded()], inputs={"x": {"dtype": "float32", "shape": [4]}})
    with pytest.raises(ModelError, match="not finite for drawn events: give some of yours as example="):
        to_model(ensemble)
    model = to_model(ensemble, example=x)
    assert model.card.check["events"] == 40
    onnx.checker.check_model(onnx.load_model_from_string(model.data), full_check=True)
