"""Export: from a trained ensemble to a model file. The one part of applying a network that needs torch."""

from __future__ import annotations

import copy
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid import provenance
from zmumu_hybrid.apply.card import ModelCard, Task, preset_of
from zmumu_hybrid.apply.graph import build_graph, inputs_of
from zmumu_hybrid.apply.modelfile import ModelFile, require_onnx, seal, write_model
from zmumu_hybrid.apply.session import run_session
from zmumu_hybrid.errors import InputError, MissingDependencyError, ModelError
from zmumu_hybrid.files import sha256
from zmumu_hybrid.learn import ranges
from zmumu_hybrid.learn.configuration import ModelConfig
from zmumu_hybrid.learn.measures import read_metrics
from zmumu_hybrid.training_events import TrainingEvents, events_path

if TYPE_CHECKING:
    from zmumu_hybrid.learn.ensemble import Ensemble

__all__ = ["TOLERANCE", "export", "export_run", "to_model"]

TOLERANCE = 1e-5
"""How far an exported model may be from torch: absolutely in scores, in logits relative to the largest of them."""

_CHECKED = 512

Arrays = dict[str, NDArray[Any]]


def export(
    run: str | os.PathLike[str], output: str | os.PathLike[str], data: str | os.PathLike[str] | None = None
) -> tuple[Path, Path]:
    """Export the ensemble of a run as a model file, with its card and its training events beside it.

    Parameters
    ----------
    run : path
        Folder of `zmumu train`.
    output : path
        Name of the model file, ending in .onnx.
    data : path, optional
        The sample that it was trained on, for the ranges in the card where the run does not know them.

    Returns
    -------
    tuple of Path
        The model file and the card, ``NAME.card.json``. What the run was trained on is in
        ``NAME.training_events.parquet``.

    Raises
    ------
    MissingInputError, ModelError
        If the run is not there, not finished or corrupt, or the model does not do what the network does.
    InputError
        If `data` is not what the run was trained on.
    MissingDependencyError
        If torch, onnx or onnxruntime is not installed.
    """
    written = write_model(export_run(run, data), output)
    known = TrainingEvents.of_model(run)
    if known is None:
        events_path(output).unlink(missing_ok=True)  # those of what was there before
    else:
        known.write(output)
    return written


def export_run(run: str | os.PathLike[str], data: str | os.PathLike[str] | None = None) -> ModelFile:
    """Return the ensemble of a run as a model, without writing it; arguments and errors as `export`."""
    from zmumu_hybrid.learn import load_ensemble

    run = Path(run)
    ensemble = load_ensemble(run)
    if data is not None:
        ensemble.ranges = _measure(ensemble, data)
    known = TrainingEvents.of_model(run)
    if known is not None:
        ensemble.data["training_events"] = known.summary()
    return to_model(ensemble, _metrics(run))


def _measure(ensemble: Ensemble, data: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the ranges of the events that an ensemble was trained on."""
    from zmumu_hybrid.learn.tensors import load, table_path

    path = table_path(data)
    if sha256(path) != ensemble.data.get("sha256"):
        raise InputError(f"{path}: is not what the run was trained on, its checksum is another")
    training = ensemble.training
    table = load(path, part="train", fraction=training.fraction, seed=training.seed)
    return ranges.describe(ranges.observables(ensemble.config, table.p4, table.pt))


def _metrics(run: Path) -> dict[str, Any]:
    """Return the metrics of each member after its last epoch, summarised."""
    path = run / "metrics.parquet"
    if not path.exists():
        return {}
    table = {name: values.tolist() for name, values in read_metrics(path).items()}
    last: dict[int, int] = {}
    for row, (member, epoch) in enumerate(zip(table["member"], table["epoch"], strict=True)):
        if member not in last or epoch > table["epoch"][last[member]]:
            last[member] = row
    found: dict[str, Any] = {"epochs": max(table["epoch"])}
    for name, column in table.items():
        if name not in ("member", "epoch"):
            values = np.array([column[row] for _, row in sorted(last.items())], np.float64)
            finite = bool(np.isfinite(values).all())
            found[name] = {
                "mean": float(values.mean()) if finite else None,
                "std": float(values.std(ddof=1)) if finite and len(values) > 1 else None,
                "members": [float(value) if np.isfinite(value) else None for value in values],
            }
    return found


def to_model(ensemble: Ensemble, metrics: dict[str, Any] | None = None) -> ModelFile:
    """Return an ensemble as a model.

    Parameters
    ----------
    ensemble : Ensemble
    metrics : dict, optional
        For the card.

    Raises
    ------
    ModelError
        If the model's output differs from that of torch by more than `TOLERANCE`, and by more than rounding explains:
            five times what torch's own output in single precision differs from that in double precision.
    MissingDependencyError
        If onnx or onnxruntime is not installed.
    """
    require_onnx()
    config, members = ensemble.config, ensemble.members
    weights = {name: value.detach().cpu().numpy() for name, value in ensemble.network.state_dict().items()}
    graph = build_graph(config, weights, members)
    graph.producer_name = "zmumu-hybrid"
    graph.producer_version = provenance.versions(())["zmumu-hybrid"]
    task: Task = "particles" if ensemble.data.get("task") == "particles" else "muon pair"
    described = {field: value for field, value in ensemble.data.items() if field not in ("task", "labels")}
    card = ModelCard(
        model=config,
        members=members,
        task=task,
        preset=preset_of(config),
        labels=tuple(ensemble.data.get("labels", ())),
        training={**asdict(ensemble.training), "stopped": ensemble.stopped},
        data=described,
        metrics=metrics or {},
        limits=ensemble.ranges,
        check=_check(ensemble, graph.SerializeToString()),
        versions=provenance.versions(("numpy", "onnx", "onnxruntime", "torch")),
        git_revision=provenance.git_revision(),
    )
    return seal(graph, card)


def _check(ensemble: Ensemble, data: bytes) -> dict[str, Any]:
    """Compare the model with torch on drawn events; `ModelError` if they differ."""
    given = _events(ensemble.config)
    found = run_session(data, given)
    p4 = given.pop("p4")
    logits = np.moveaxis(ensemble.logits(p4, **given), 0, 1)
    scores = np.moveaxis(ensemble.scores(p4, **given), 0, 1)
    deviations = {
        "score": float(np.abs(found["scores"] - scores).max()),
        "logit": float(np.abs(found["logits"] - logits).max() / max(np.abs(logits).max(), 1.0)),
    }
    for name, deviation in deviations.items():
        if not deviation <= max(TOLERANCE, 5 * _rounding(ensemble, p4, given)[name]):
            raise ModelError(f"the exported model's {name} differs from that of torch by {deviation:.2g}: not written")
    return {"events": len(p4), **deviations}


def _rounding(ensemble: Ensemble, p4: NDArray[np.float64], given: Arrays) -> dict[str, float]:
    """Return how far torch in single precision is from torch in double precision, by what is compared."""
    exact = type(ensemble)(copy.deepcopy(ensemble.network).double(), ensemble.config, ensemble.training)
    logits, exact_logits = ensemble.logits(p4, **given), exact.logits(p4, **given)
    return {
        "score": float(np.abs(ensemble.scores(p4, **given) - exact.scores(p4, **given)).max()),
        "logit": float(np.abs(logits - exact_logits).max() / max(np.abs(exact_logits).max(), 1.0)),
    }


def _events(config: ModelConfig) -> Arrays:
    """Draw events of all sizes of momenta for the comparison, always the same."""
    generator = np.random.Generator(np.random.PCG64(0))
    shape = (_CHECKED, config.particles)
    scale = 10 ** generator.uniform(0.5, 2.5, (*shape, 1))
    momenta = scale * generator.normal(size=(*shape, 3))
    mass = generator.uniform(0.0, 5.0, (*shape, 1))
    energy = np.sqrt((momenta**2).sum(-1, keepdims=True) + mass**2)
    given: Arrays = {"p4": np.concatenate([energy, momenta], -1)}
    if config.masked:
        given["mask"] = np.arange(config.particles) < generator.integers(1, config.particles + 1, (_CHECKED, 1))
    if config.labels:
        given["labels"] = generator.integers(-1, 2, (*shape, config.labels)).astype(np.float64)
    if "context" in inputs_of(config):
        given["context"] = generator.uniform(0.0, 100.0, (_CHECKED, config.context))
    return given


def require_torch_for(path: Path) -> None:
    """Say what is missing where a run is to be exported without torch."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingDependencyError(
            f"{path}: is a run, to export it torch is needed: pip install 'zmumu-hybrid[train]', or name a model file "
            "of `zmumu export`"
        )
