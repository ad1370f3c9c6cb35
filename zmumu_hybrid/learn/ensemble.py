"""A trained ensemble: loaded without executing anything, scored in numpy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.learn.checkpoints import fingerprint, load_tensors, read_config
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
    """

    def __init__(
        self,
        network: Network,
        config: ModelConfig,
        training: TrainingConfig,
        data: dict[str, Any] | None = None,
        stopped: Sequence[int] = (),
    ) -> None:
        self.network = network.eval()
        self.config = config
        self.training = training
        self.data = data or {}
        self.stopped = list(stopped)

    @property
    def members(self) -> int:
        """Number of members, M."""
        return self.network.members

    def logits(self, p4: ArrayLike, pt: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the output before the sigmoid, shape (M, N).

        Parameters
        ----------
        p4 : array_like, shape (N, 2, 4)
            E, px, py, pz in GeV, mu+ first.
        pt : array_like, shape (N, 1) or (N,), optional
            The context of the symmetry factor in GeV; by default the pT of the first muon.

        Raises
        ------
        InputError
            If a shape does not fit or a number is not finite.
        """
        momenta = np.asarray(p4, np.float64)
        if momenta.ndim != 3 or momenta.shape[1:] != (self.config.particles, 4):
            raise InputError(f"p4 must have the shape (N, {self.config.particles}, 4), not {momenta.shape}")
        if not np.isfinite(momenta).all():
            row = int(np.argwhere(~np.isfinite(momenta))[0][0])
            raise InputError(f"p4 of row {row} is not finite: {momenta[row].tolist()}")
        context = None
        if pt is not None:
            given = np.asarray(pt, np.float64).reshape(len(momenta), self.config.context)
            context = torch.from_numpy(given)
        return logits(self.network, self.network.features(torch.from_numpy(momenta), context))

    def scores(self, p4: ArrayLike, pt: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the probability of signal, shape (M, N); arguments and errors as `logits`."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.logits(p4, pt))), np.float32)

    def general_weight(self, pt: ArrayLike) -> NDArray[np.float64]:
        """Return the weight of the general subnet at the pT values (GeV) of shape (K,), shape (M, K).

        Raises
        ------
        ConfigurationError
            If the network learns no symmetry factor.
        """
        if not (self.config.has_gate and isinstance(self.network, Hybrid)):
            raise ConfigurationError(f"a {self.config.model} ({self.config.pooling}) learns no symmetry factor")
        with torch.no_grad():
            values = torch.from_numpy(np.asarray(pt, np.float64).reshape(-1, 1))
            return np.asarray(self.network.general_weight(values).numpy(), np.float64).reshape(self.members, -1)


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
    tensors, known = load_tensors(run / "members.safetensors", expected)
    stopped = known.get("stopped", [])
    kept = [member for member in range(training.members) if member not in stopped]
    network = build(config, len(kept))
    try:
        network.load_state_dict({name: value[kept] for name, value in tensors.items()})
    except (IndexError, RuntimeError) as error:
        raise ModelError(f"{run / 'members.safetensors'}: does not fit config.json: {error}") from error
    return Ensemble(network, config, training, described["data"], stopped)
