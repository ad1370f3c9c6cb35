"""Training beyond the muon pair: any collections of particles, in memory.

`zmumu_hybrid.learn.training` trains on the candidate table, with metrics every epoch and checkpoints. Here is the same
engine for events that someone brings along: padded particles, labels, context, classes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.learn import ranges
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.engines import BatchedEngine, Epoch, require_resources
from zmumu_hybrid.learn.ensemble import Ensemble
from zmumu_hybrid.learn.groups import draw_order
from zmumu_hybrid.learn.particles import Particles
from zmumu_hybrid.progress import progress

__all__ = ["Sample", "fit"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Events to learn from.

    Attributes
    ----------
    particles : Particles
        Of N events, as from `zmumu_hybrid.learn.particles.pad`.
    target : numpy.ndarray, shape (N,)
        1 for signal and 0 for background, or the number of the class, 0 to K - 1.
    weight : numpy.ndarray of float64, shape (N,), optional
        Of each event; 1 by default.
    context : numpy.ndarray of float64, shape (N, C), optional
        For networks whose context is not computed from the momenta.

    Raises
    ------
    InputError
        If lengths differ, or a number is not finite.
    """

    particles: Particles
    target: NDArray[Any]
    weight: NDArray[np.float64] | None = None
    context: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("target", "weight", "context"):
            values = getattr(self, name)
            if values is None:
                continue
            if len(values) != len(self):
                raise InputError(f"{name} has {len(values)} entries for {len(self)} events")
            if not np.isfinite(values).all():
                raise InputError(f"{name} is not finite everywhere")

    def __len__(self) -> int:
        """Return the number of events, N."""
        return len(self.particles.p4)

    def inputs(self, model: ModelConfig) -> dict[str, NDArray[Any]]:
        """Return what a network takes beside the momenta, by the names of `Ensemble.scores`."""
        given: dict[str, NDArray[Any]] = {}
        if self.context is not None:
            given["context"] = self.context
        if model.masked:
            given["mask"] = self.particles.mask
        if model.labels:
            given["labels"] = self.particles.labels
        return given


@dataclass(frozen=True, slots=True)
class _Weighted:
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.weight)


def fit(
    model: ModelConfig,
    sample: Sample,
    training: TrainingConfig | None = None,
    *,
    labels: tuple[str, ...] = (),
    show_progress: bool = False,
) -> Ensemble:
    """Train an ensemble on events in memory.

    Parameters
    ----------
    model : ModelConfig
        What to train.
    sample : Sample
        The training events.
    training : TrainingConfig, optional
        How; its `fraction` has no effect here.
    labels : tuple of str
        Names of the labels, for the model card of an export.
    show_progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Ensemble
        `Ensemble.save` writes it as a run, which `zmumu export` takes.

    Raises
    ------
    InputError
        If the events do not fit the network, a class is missing or has a number that is not there, weights are
        negative and events are to be drawn by weight, or there are fewer events than a batch has.
    ModelError
        If a loss is not finite any more.
    """
    training = training or TrainingConfig()
    require_resources(model, training)
    _check(model, sample, training, labels)
    weight = np.ones(len(sample)) if sample.weight is None else sample.weight
    engine = BatchedEngine(model, training, range(training.members))
    given = {name: torch.from_numpy(values) for name, values in sample.inputs(model).items()}
    features = engine.network.features(torch.from_numpy(sample.particles.p4), **given)
    engine.standardise(features)
    relative = np.ones(len(sample)) if training.sampling == "weighted" else weight / weight.mean()
    targets = [torch.from_numpy(np.asarray(values, np.float32)) for values in (sample.target, relative)]
    with progress(f"training the {model.model}", training.epochs, unit="epochs", enabled=show_progress) as advance:
        for epoch in range(training.epochs):
            orders = [draw_order(_Weighted(weight), training, member, epoch) for member in engine.members]
            rows = torch.from_numpy(np.stack([order.reshape(-1, training.batch(epoch)) for order in orders], 1))
            label, share = (values[rows].to(training.device) for values in targets)
            chosen = Epoch(
                features.map(lambda values: values[rows].to(training.device)),  # noqa: B023
                label,
                share,
                training.rates(model.model, epoch, len(rows)),
                training.newest(len(rows)),
            )
            losses = engine.run(chosen, lambda: None)
            if not np.isfinite(losses).all():
                raise ModelError(f"epoch {epoch + 1}: the loss is not finite: take a smaller learning rate")
            advance(1)
    known = ranges.describe(
        ranges.observables(model, sample.particles.p4, sample.context, sample.particles.mask if model.masked else None)
    )
    data = {"task": "particles", "labels": list(labels), "events": len(sample), "sha256": _checksum(sample)}
    return Ensemble(engine.result.cpu(), model, training, data, ranges=known)


def _check(model: ModelConfig, sample: Sample, training: TrainingConfig, labels: tuple[str, ...]) -> None:
    particles = sample.particles
    if particles.p4.shape[1] != model.particles or particles.labels.shape[2] != model.labels:
        raise InputError(
            f"the events have {particles.p4.shape[1]} particles with {particles.labels.shape[2]} labels, the network "
            f"reads {model.particles} with {model.labels}"
        )
    if labels and len(labels) != model.labels:
        raise InputError(f"{len(labels)} names are given for {model.labels} labels")
    if not model.masked and not particles.mask.all():
        entry = int(np.argmin(particles.mask.all(1)))
        raise InputError(f"entry {entry} has fewer than {model.particles} particles: the network needs masked = True")
    classes = range(max(model.classes, 2))
    if set(np.unique(sample.target).tolist()) != set(classes):
        raise InputError(f"the targets are {np.unique(sample.target).tolist()}, they must be {list(classes)}")
    if training.sampling == "weighted" and sample.weight is not None and (sample.weight < 0).any():
        raise InputError("weights are negative: train with sampling 'shuffle'")
    if len(sample) < training.batch_size:
        raise InputError(f"{len(sample)} events are too few for a batch of {training.batch_size}")


def _checksum(sample: Sample) -> str:
    """Return the SHA-256 of all numbers that are learned from."""
    state = hashlib.sha256()
    arrays = (sample.particles.p4, sample.particles.mask, sample.particles.labels, sample.target, sample.weight)
    for values in (*arrays, sample.context):
        if values is not None:
            state.update(np.ascontiguousarray(values).data)
    return state.hexdigest()
