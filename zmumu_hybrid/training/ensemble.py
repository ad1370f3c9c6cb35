"""A trained ensemble: a list of modules, loaded without executing anything, scored in numpy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.nets.approximate_symmetry import find_joined
from zmumu_hybrid.nets.config import NetworkConfig, from_dict, network_config
from zmumu_hybrid.nets.dimuon import PFN, DimuonHybrid, InvariantNetwork, ParticleNetwork, build
from zmumu_hybrid.support import provenance
from zmumu_hybrid.support.files import make_directory, read_json, write_json
from zmumu_hybrid.training.checkpoints import fingerprint, load_tensors, read_config, save_tensors, write_config
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.data import Arrays, require_arrays
from zmumu_hybrid.training.inference import logits_of, prepare

__all__ = ["Ensemble", "describe_network", "load_ensemble", "name_of", "sigmoid"]


class Ensemble(Sequence[nn.Module]):
    """M trained networks of one kind, in evaluation mode; a sequence of them.

    Attributes
    ----------
    modules : list of torch.nn.Module
    training : TrainingConfig
    data : dict
        What it was trained on, with checksums.
    stopped : list of int
        Members of the training that are not here, because they were stopped when their loss was not finite.
    ranges : dict
        Ranges of the training events, see `zmumu_hybrid.nets.ranges.describe`; empty if they are not known.
    inputs : dict
        What the networks take: for each name the "dtype", and the "shape" of one event; empty if that is not known.

    Examples
    --------
    >>> import torch
    >>> linear = torch.nn.Linear(2, 1)
    >>> _ = torch.nn.init.ones_(linear.weight), torch.nn.init.zeros_(linear.bias)
    >>> ensemble = Ensemble([torch.nn.Sequential(linear, torch.nn.Flatten(0))])
    >>> ensemble.logits(np.array([[1.0, 2.0], [3.0, -4.0]]))
    array([[ 3., -1.]], dtype=float32)
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        training: TrainingConfig | None = None,
        data: dict[str, Any] | None = None,
        stopped: Sequence[int] = (),
        limits: dict[str, dict[str, Any]] | None = None,
        inputs: Arrays | None = None,
    ) -> None:
        self.modules = [module.eval() for module in modules]
        self.training = training or TrainingConfig(members=len(modules) + len(stopped))
        self.data = data or {}
        self.stopped = list(stopped)
        self.ranges = limits or {}
        self.inputs = inputs or (modules[0].inputs if isinstance(modules[0], ParticleNetwork) else {})

    def __len__(self) -> int:
        """Return the number of members, M."""
        return len(self.modules)

    def __getitem__(self, place: Any) -> Any:
        """Return one member, or several."""
        return self.modules[place]

    def __iter__(self) -> Iterator[nn.Module]:
        """Iterate over the members."""
        return iter(self.modules)

    @property
    def config(self) -> NetworkConfig | None:
        """The description of the networks; None for modules of one's own."""
        return getattr(self.modules[0], "config", None)

    @property
    def name(self) -> str:
        """The kind of the networks: "hybrid", "pfn", "invariant", or the name of their class."""
        return name_of(self.modules[0])

    @property
    def has_symmetry_factor(self) -> bool:
        """Whether the networks learn a symmetry factor."""
        return find_joined(self.modules[0]) is not None

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
            "network": describe_network(self.modules[0]),
            "training": asdict(self.training),
            "data": self.data,
            "inputs": self.inputs,
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
        save_tensors(run / "members.safetensors", stack_states(self.modules, self.stopped), known)
        return run

    def logits(self, *inputs: ArrayLike, **named: ArrayLike | None) -> NDArray[np.float32]:
        """Return the output before the sigmoid or softmax: shape (M, N), or (M, N, K) of K classes.

        Parameters
        ----------
        *inputs, **named : array_like, shape (N, ...)
            What the networks' `forward` takes: for the paper's, p4 (N, n, 4), E, px, py, pz in GeV, mu+ first, and
            mask, scalars and context for networks that read them.

        Raises
        ------
        InputError
            If a shape does not fit, something is missing or a momentum is not finite.
        """
        given = {name: np.asarray(values) for name, values in named.items() if values is not None}
        if inputs:
            given = {"": np.asarray(inputs[0]), **given}
        if len(inputs) > 1:
            raise InputError("give the inputs after the first by their names")
        for name, values in given.items():
            finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
            if "mask" not in given and not finite.all():
                row = int(np.argmin(finite))
                raise InputError(f"{name or 'p4'} of row {row} is not finite: {values[row].tolist()}")
        ready = prepare(self.modules[0], given)
        return np.stack([logits_of(module, ready) for module in self.modules])

    def scores(self, *inputs: ArrayLike, **named: ArrayLike | None) -> NDArray[np.float32]:
        """Return the probability of signal (M, N), or of every class (M, N, K); arguments and errors as `logits`."""
        return sigmoid(self.logits(*inputs, **named))

    def symmetry_factor(self, context: ArrayLike) -> NDArray[np.float64]:
        """Return the weights of the subnets at values of the context, shape (M, B, K), the general one first.

        Parameters
        ----------
        context : array_like, shape (B,) or (B, C)
            For a muon pair the pT of the mu+ in GeV.

        Raises
        ------
        ConfigurationError
            If the networks learn no symmetry factor.
        """
        if not self.has_symmetry_factor:
            raise ConfigurationError(f"{self.name}: learns no symmetry factor")
        kind = next(self.modules[0].parameters()).dtype
        values = torch.as_tensor(np.asarray(context, np.float64)).to(kind)
        values = values.unsqueeze(-1) if values.ndim == 1 else values
        with torch.no_grad():
            of = [getattr(module, "symmetry_factor", None) or find_joined(module).symmetry_factor for module in self]  # type: ignore[union-attr]
            factors = [factor(values).double().numpy() for factor in of]
        return np.stack(factors)


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Return probabilities of signal for logits (M, N), of every class for logits (M, N, K)."""
    values = np.asarray(logits)
    if values.ndim == 2:
        small = np.exp(-np.abs(values))  # never overflows
        return np.asarray(np.where(values >= 0, 1.0, small) / (1.0 + small), np.float32)
    exponentials = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(-1, keepdims=True), np.float32)


def name_of(module: nn.Module) -> str:
    """Return the kind of a network: "hybrid", "pfn" or "invariant", or the name of the class of one's own."""
    return module.model if isinstance(module, ParticleNetwork) else type(module).__name__


def describe_network(module: nn.Module) -> dict[str, Any]:
    """Return what tells a network from others: its configuration, or class and parameters of a module of one's own."""
    if type(module) in (PFN, InvariantNetwork, DimuonHybrid):
        return {"network": module.model, **asdict(module.config)}  # type: ignore[call-overload]
    shapes = {name: list(value.shape) for name, value in module.state_dict().items()}
    return {"class": f"{type(module).__module__}.{type(module).__qualname__}", "state": shapes}


def stack_states(modules: Sequence[nn.Module], stopped: Sequence[int] = ()) -> dict[str, torch.Tensor]:
    """Return the states of all members, each tensor with a leading axis that has a place for stopped ones too."""
    count = len(modules) + len(stopped)
    kept = [member for member in range(count) if member not in stopped]
    stacked = {}
    for name, value in modules[0].state_dict().items():
        stacked[name] = value.new_zeros(count, *value.shape)
        for place, module in zip(kept, modules, strict=True):
            stacked[name][place] = module.state_dict()[name]
    return stacked


def load_ensemble(run: str | os.PathLike[str], network: Callable[[], nn.Module] | None = None) -> Ensemble:
    """Load the ensemble of a training, without the members that were stopped.

    Parameters
    ----------
    run : path
        Folder of `zmumu train`, `train` or `Ensemble.save`.
    network : callable, optional
        For modules of one's own, what makes one: a run holds numbers alone, and nothing in it is executed.

    Raises
    ------
    MissingInputError
        If the folder holds no ensemble, or its training is not finished.
    ModelError
        If a file is corrupt, foreign or of another version, or `network` makes another module than was trained.

    Examples
    --------
    >>> import torch
    >>> make = lambda: torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0))
    >>> _ = Ensemble([make(), make()]).save("run")
    >>> len(load_ensemble("run", make))
    2
    """
    run = Path(run)
    path, described = run / "config.json", read_config(run)
    try:
        training = from_dict(TrainingConfig, described["training"], f"{path}: training")
        expected = fingerprint(described)
        own = "class" in described["network"]
        if not own:
            config = network_config(described["network"], f"{path}: network")
            network = lambda: build(config)  # noqa: E731
    except (ConfigurationError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a description of an ensemble: {error}") from error
    if network is None:
        raise ModelError(
            f"{run}: holds networks of the class {described['network']['class']}: give the function that makes one, as "
            "network=... in Python: a run holds numbers, nothing in it is executed"
        )
    path = run / "members.safetensors"
    tensors, known = load_tensors(path, expected, {"stopped": (None, [int])})
    stopped = known.get("stopped") or []
    kept = [member for member in range(training.members) if member not in stopped]
    if not kept or not set(stopped) <= set(range(training.members)):
        raise ModelError(
            f"{path}: its metadata: stopped is {stopped!r:.80}, not some of the members 0 to {training.members - 1}: "
            "train again"
        )
    modules = []
    for member in kept:
        modules.append(network())
        try:
            state = {name: value[member] for name, value in tensors.items()}
            modules[-1].load_state_dict(state)
        except (IndexError, RuntimeError) as error:
            raise ModelError(f"{path}: is of another network: {' '.join(str(error).split())}") from error
        for name, value in state.items():
            if not value.isfinite().all():
                raise ModelError(f"{path}: a number of {name} is not finite: train again")
    limits = run / "ranges.json"
    known_ranges = ranges.require_limits(read_json(limits), str(limits)) if limits.exists() else {}
    inputs = require_arrays(described.get("inputs", {}), f"{run / 'config.json'}: inputs")
    return Ensemble(modules, training, described["data"], stopped, known_ranges, inputs)
