"""A trained ensemble: loaded without executing anything, scored in numpy."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid import provenance
from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.files import make_directory, read_json, write_json
from zmumu_hybrid.learn import ranges
from zmumu_hybrid.learn.checkpoints import fingerprint, load_tensors, read_config, save_tensors, write_config
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig, from_dict
from zmumu_hybrid.learn.inference import logits
from zmumu_hybrid.learn.networks import Hybrid, Network, build

__all__ = ["Ensemble", "load_ensemble"]


class Ensemble:
    """M trained networks of one kind.

    Attributes
    ----------
    config : ModelConfig
    training : TrainingConfig
    network : Network
        The torch module, with a leading axis of members.
    data : dict
        What it was trained on, with checksums.
    stopped : list of int
        Members of the training that are not here, because they were stopped when their loss was not finite.
    ranges : dict
        Ranges of the training events, see `zmumu_hybrid.learn.ranges.describe`; empty if they are not known.
    """

    def __init__(
        self,
        network: Network,
        config: ModelConfig,
        training: TrainingConfig,
        data: dict[str, Any] | None = None,
        stopped: Sequence[int] = (),
        ranges: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.network = network.eval()
        self.config = config
        self.training = training
        self.data = data or {}
        self.stopped = list(stopped)
        self.ranges = ranges or {}

    @property
    def members(self) -> int:
        """Number of members, M."""
        return self.network.members

    def save(self, run: str | os.PathLike[str]) -> Path:
        """Write the ensemble as a run that `load_ensemble` and `zmumu export` read; return its folder.

        Raises
        ------
        ConfigurationError
            If the folder holds another training.
        OutputError
            If it cannot be written to.
        """
        run = make_directory(run)
        described = {
            "model": asdict(self.config),
            "training": asdict(self.training),
            "data": self.data,
            "versions": provenance.versions(("numpy", "torch", "safetensors")),
            "git_revision": provenance.git_revision(),
        }
        described = json.loads(json.dumps(described))  # as a file would give it back: tuples are lists
        key = fingerprint(described)
        if (run / "config.json").exists() and fingerprint(read_config(run)) != key:
            raise ConfigurationError(f"{run}: holds another training: name another folder, or remove it")
        write_config(run, described)
        write_json(run / "ranges.json", self.ranges)
        known = {"fingerprint": key, "final": [], "stopped": self.stopped}
        save_tensors(run / "members.safetensors", self._stored(), known)
        return run

    def _stored(self) -> dict[str, torch.Tensor]:
        """Return the state with a place for every member, also for those that were stopped."""
        kept = [member for member in range(self.members + len(self.stopped)) if member not in self.stopped]
        stored = {}
        for name, value in self.network.state_dict().items():
            stored[name] = value.new_zeros(self.members + len(self.stopped), *value.shape[1:])
            stored[name][kept] = value
        return stored

    def logits(
        self,
        p4: ArrayLike,
        context: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Return the output before the sigmoid or softmax: shape (M, N), or (M, N, K) of K classes.

        Parameters
        ----------
        p4 : array_like, shape (N, n, 4)
            E, px, py, pz in GeV, for a muon pair mu+ first.
        context : array_like, shape (N, C) or (N,), optional
            The context of the symmetry factor; by default computed from the momenta, see
            `zmumu_hybrid.learn.networks.Network.features`.
        mask : array_like of bool, shape (N, n), optional
            Which particles are there.
        labels : array_like, shape (N, n, L), optional
            The labels of the particles.

        Raises
        ------
        InputError
            If a shape does not fit, something is missing or a number is not finite.
        """
        config = self.config
        momenta = np.asarray(p4, np.float64)
        count = len(momenta)
        if momenta.shape != (count, config.particles, 4):
            raise InputError(f"p4 must have the shape (N, {config.particles}, 4), not {momenta.shape}")
        there = None if mask is None else _shaped(mask, (count, config.particles), "mask").astype(np.bool_)
        finite = np.isfinite(momenta).all(-1) if there is None else np.isfinite(momenta).all(-1) | ~there
        if not finite.all():
            row = int(np.argwhere(~finite)[0][0])
            raise InputError(f"p4 of row {row} is not finite: {momenta[row].tolist()}")
        given = {
            "context": None if context is None else _shaped(context, (count, config.context), "context"),
            "mask": there,
            "labels": None if labels is None else _shaped(labels, (count, config.particles, config.labels), "labels"),
        }
        tensors = {name: None if values is None else torch.from_numpy(values) for name, values in given.items()}
        return logits(self.network, self.network.features(torch.from_numpy(momenta), **tensors))

    def scores(
        self,
        p4: ArrayLike,
        context: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Return the probability of signal (M, N), or of every class (M, N, K); arguments and errors as `logits`."""
        values = np.asarray(self.logits(p4, context, mask, labels))
        if self.config.classes == 1:
            small = np.exp(-np.abs(values))  # never overflows
            return np.asarray(np.where(values >= 0, 1.0, small) / (1.0 + small), np.float32)
        exponentials = np.exp(values - values.max(-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(-1, keepdims=True), np.float32)

    def general_weight(self, context: ArrayLike) -> NDArray[np.float64]:
        """Return the weight of the general subnet, shape (M, K), at K values of the context, shape (K,) or (K, C).

        For a muon pair the context is the pT of the mu+ in GeV.

        Raises
        ------
        ConfigurationError
            If the network learns no symmetry factor.
        """
        if not (self.config.has_gate and isinstance(self.network, Hybrid)):
            raise ConfigurationError(f"a {self.config.model} ({self.config.pooling}) learns no symmetry factor")
        with torch.no_grad():
            values = torch.from_numpy(np.asarray(context, np.float64).reshape(-1, self.config.context))
            return np.asarray(self.network.general_weight(values).numpy(), np.float64).reshape(self.members, -1)


def _shaped(values: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.size != math.prod(shape):
        raise InputError(f"{name} must have the shape {shape}, not {array.shape}")
    return array.reshape(shape)


def load_ensemble(run: str | os.PathLike[str]) -> Ensemble:
    """Load the ensemble that `zmumu train` left in the folder `run`, without the members that were stopped.

    Raises
    ------
    MissingInputError
        If the folder holds no ensemble, or its training is not finished.
    ModelError
        If a file is corrupt, foreign or of another version.
    """
    run = Path(run)
    described = read_config(run)
    try:
        config = from_dict(ModelConfig, described["model"], f"{run / 'config.json'}: model")
        training = from_dict(TrainingConfig, described["training"], f"{run / 'config.json'}: training")
        expected = fingerprint(described)
    except (ConfigurationError, KeyError, TypeError) as error:
        raise ModelError(f"{run / 'config.json'}: not a description of an ensemble: {error}") from error
    tensors, known = load_tensors(run / "members.safetensors", expected, {"stopped": (None, [int])})
    stopped = known.get("stopped") or []
    kept = [member for member in range(training.members) if member not in stopped]
    if not kept or not set(stopped) <= set(range(training.members)):
        raise ModelError(
            f"{run / 'members.safetensors'}: its metadata: stopped is {stopped!r:.80}, not some of the members 0 to "
            f"{training.members - 1}: train again"
        )
    network = build(config, len(kept))
    try:
        kept_tensors = {name: value[kept] for name, value in tensors.items()}
        network.load_state_dict(kept_tensors)
    except (IndexError, RuntimeError) as error:
        raise ModelError(f"{run / 'members.safetensors'}: does not fit config.json: {error}") from error
    for name, value in kept_tensors.items():
        if not value.isfinite().all():
            raise ModelError(f"{run / 'members.safetensors'}: a number of {name} is not finite: train again")
    path = run / "ranges.json"
    known_ranges = ranges.require_limits(read_json(path), str(path)) if path.exists() else {}
    return Ensemble(network, config, training, described["data"], stopped, known_ranges)
