"""The discriminant: a model in use, in any processor, on ONNX Runtime.

A `Discriminant` is a value: a model file's bytes, its card and settings. It pickles to any worker, holds no session
and loads no torch; a process makes one session for each model, when it first needs one.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.deploy.model_card import ModelCard
from zmumu_hybrid.deploy.model_file import ModelFile, read_model
from zmumu_hybrid.deploy.session import checked, run_chunks
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.events.muon_pairs import IDENTITY, PairSelection, components, select_pairs
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.nets.padding import MOMENTUM, jagged, pad
from zmumu_hybrid.physics.kinematics import energy
from zmumu_hybrid.support.extras import require

__all__ = ["Discriminant", "ExtrapolationWarning", "Scores"]

Events = dict[str, NDArray[Any]]
OutOfRange = Literal["warn", "ignore", "raise"]


class ExtrapolationWarning(UserWarning):
    """A model is applied to events outside the range of those that it was trained on."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of N events.

    Attributes
    ----------
    score : numpy.ndarray of float64, shape (N,) or (N, K)
        The probability of signal, or of each of K classes: the mean over the members.
    score_std : numpy.ndarray of float64, of the same shape
        The standard deviation over the members; NaN for a single one.
    general_weight : numpy.ndarray of float64, shape (N,)
        The symmetry factor, the weight of the first, the general subnet, mean over the members; NaN for models
        without one.
    counts : dict
        What lies outside the range of the training, see `zmumu_hybrid.nets.ranges.Counts`.
    """

    score: NDArray[np.float64]
    score_std: NDArray[np.float64]
    general_weight: NDArray[np.float64]
    counts: ranges.Counts

    def fields(self) -> Events:
        """Return score, score_std and general_weight by name."""
        return {name: getattr(self, name) for name in ("score", "score_std", "general_weight")}


class Discriminant:
    """A trained ensemble as a function of awkward collections.

    Parameters
    ----------
    model : ModelFile
        As from `zmumu_hybrid.deploy.model_file.read_model`; see also `load`.
    selection : PairSelection, optional
        Which two muons of an event make its pair, for models of muon pairs.
    out_of_range : "warn", "ignore" or "raise"
        What to do where events lie outside the range of the training: an `ExtrapolationWarning`, nothing, or an
        `InputError`.
    threads : int
        Cores to use for one call; in a processor that runs on several workers leave it at 1.

    Examples
    --------
    In any coffea processor::

        discriminant = Discriminant.load("hybrid.onnx")
        found = discriminant(events.Muon)  # one entry for each event, None where there is no pair
        signal_like = events[ak.fill_none(found.score > 0.5, False)]

    A network of one's own, on arrays:

    >>> import torch
    >>> import zmumu_hybrid as zh
    >>> linear = torch.nn.Linear(2, 1)
    >>> _ = torch.nn.init.ones_(linear.weight), torch.nn.init.zeros_(linear.bias)
    >>> x = np.array([[0.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    >>> network = torch.nn.Sequential(linear, torch.nn.Flatten(0))
    >>> _ = zh.export(zh.Ensemble([network]), "sum.onnx", example=x)
    >>> discriminant = Discriminant.load("sum.onnx")
    >>> discriminant.evaluate(x).score.round(4).tolist()
    [0.5, 0.8808]
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        selection: PairSelection | None = None,
        out_of_range: OutOfRange = "warn",
        threads: int = 1,
    ) -> None:
        if out_of_range not in get_args(OutOfRange):
            raise ConfigurationError(f"out_of_range must be one of {', '.join(get_args(OutOfRange))}: {out_of_range!r}")
        if threads < 1:
            raise ConfigurationError(f"threads must be at least 1, not {threads}")
        self._model = model
        self._selection = selection or PairSelection()
        self._out_of_range = out_of_range
        self._threads = threads

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, network: Any = None, **options: Any) -> Discriminant:
        """Load a model file of `zmumu export`, or the run of `zmumu train` in a folder, which needs torch.

        A run is exported, which takes some seconds. `network` is what makes its networks, if they are of a class of
        one's own, as for `zmumu_hybrid.deploy.export`; `options` are those of the class.

        Raises
        ------
        MissingInputError, ModelError
            If the file or run is missing, corrupt, foreign or of another version.
        MissingDependencyError
            If onnx, onnxruntime or, for a run, torch is not installed.
        """
        path = Path(path)
        if not (path / "config.json").exists():
            return cls(read_model(path), **options)
        require("torch", "safetensors", "onnxscript")
        from zmumu_hybrid.deploy.onnx_export import export_run

        return cls(export_run(path, network=network), **options)

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._model.card

    def with_options(self, **options: Any) -> Discriminant:
        """Return the same model with other settings."""
        kept = {"selection": self._selection, "out_of_range": self._out_of_range, "threads": self._threads}
        return type(self)(self._model, **(kept | options))

    def __repr__(self) -> str:
        return f"<Discriminant {self.card.name}, {self.card.members} members, of a {self.card.task}>"

    def __call__(self, particles: ak.Array, *, context: NDArray[np.float64] | None = None) -> ak.Array:
        """Return the scores of events, one entry for each.

        Parameters
        ----------
        particles : awkward.Array, type N * var * record
            With pt, eta, phi, mass (GeV): for a model of muon pairs the muons, with charge, of which each event's pair
            is chosen; else the particles in the model's order, with the fields of the card's `scalars`, of which the
            first n are taken. Missing events and particles (None) are fine.
        context : numpy.ndarray, shape (N, C), optional
            For models whose context is not computed from the momenta.

        Returns
        -------
        awkward.Array of option type, length N
            Records with score, score_std and general_weight; None where an event has no pair, or too few particles.

        Raises
        ------
        InputError
            If the collection has no charge, mass or another field, a number is not finite, or the model takes arrays
            that are not made of particles.
        """
        card, count = self.card, len(particles)
        if card.task == "muon pair":
            entries, pairs = self._pairs_of(particles)
            given = {"p4": _momenta(pairs)}
        elif card.task == "particles":
            most = card.inputs["p4"]["shape"][0]
            padded = pad(particles, most, card.scalars)
            entries = np.flatnonzero(padded.counts >= (1 if "mask" in card.inputs else most))
            found = {"p4": padded.p4, "mask": padded.mask, "scalars": padded.scalars, "context": context}
            given = {name: np.asarray(found[name])[entries] for name in card.inputs if found[name] is not None}
        else:
            raise InputError(f"{self!r}: give {', '.join(card.inputs)} to evaluate")
        scores = self._evaluate(given)
        self._speak(scores)
        places = np.full(count, -1)
        places[entries] = np.arange(len(entries))
        records = ak.zip(scores.fields(), depth_limit=1)
        return ak.Array(ak.contents.IndexedOptionArray(ak.index.Index64(places), records.layout))

    def _pairs_of(self, muons: ak.Array) -> tuple[NDArray[np.int64], ak.Array]:
        """Return the entries that have a pair, and their pairs."""
        columns = {name: jagged(muons, name, "Muon has") for name in (*MOMENTUM, "charge")}
        zeros, entry = np.zeros(len(muons), np.uint32), np.arange(len(muons), dtype=np.uint64)
        identity = dict(zip(IDENTITY, (zeros, zeros, entry), strict=True))
        events = ak.zip({**identity, "Muon": ak.zip(columns)}, depth_limit=1)
        pairs = select_pairs(events, self._selection)
        return ak.to_numpy(pairs["event"]).astype(np.int64), pairs

    def pairs(self, pairs: ak.Array) -> Scores:
        """Return the scores of muon pairs as from `select_pairs` or `smear`, one row for each.

        Raises
        ------
        InputError
            If the model is not one of muon pairs.
        """
        if self.card.task != "muon pair":
            raise InputError(f"{self!r}: takes particles, not muon pairs")
        scores = self._evaluate({"p4": _momenta(pairs)})
        self._speak(scores)
        return scores

    def evaluate(self, *inputs: ArrayLike, **named: ArrayLike) -> Scores:
        """Return the scores of events given as arrays.

        Parameters
        ----------
        *inputs, **named : array_like, shape (N, ...)
            The inputs of the card, in their order or by name: of a muon pair p4 (N, 2, 4), E, px, py, pz in GeV, mu+
            first; of particles p4 (N, n, 4), mask (N, n), scalars (N, n, L) and context (N, C), those that the model
            takes.

        Raises
        ------
        InputError
            If an input is missing, superfluous or of another shape, or a number is not finite.
        """
        given = dict(zip(self.card.inputs, inputs, strict=False)) | named
        if len(inputs) > len(self.card.inputs):
            raise InputError(f"{self!r}: takes {', '.join(self.card.inputs)}, {len(inputs)} arrays are given")
        scores = self._evaluate({name: np.asarray(values) for name, values in given.items()})
        self._speak(scores)
        return scores

    def _evaluate(self, given: Events) -> Scores:
        """Do the work of `evaluate`, in silence."""
        card = self.card
        names = ["scores", *(name for name in ("symmetry_factor", *card.limits) if name in card.outputs)]
        found = run_chunks(self._model, checked(card.inputs, given), names, self._threads)
        scores = found["scores"].astype(np.float64)
        spread = scores.std(1, ddof=1) if card.members > 1 else np.full_like(scores[:, 0], np.nan)
        factor = found.get("symmetry_factor", np.full((len(scores), 1, 1), np.nan))
        weight = factor[:, :, 0].mean(1, dtype=np.float64)
        return Scores(scores.mean(1), spread, weight, ranges.compare(card.limits, found))

    def _speak(self, scores: Scores) -> None:
        """Say what is outside the range of the training as the options want it, to the caller of a public method."""
        if self._out_of_range == "ignore":
            return
        said = ranges.warnings_of(self.card.limits, scores.counts)
        if said and self._out_of_range == "raise":
            raise InputError("; ".join(said))
        for sentence in said:
            warnings.warn(sentence, ExtrapolationWarning, stacklevel=3)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a value."""
        options = (self._selection, self._out_of_range, self._threads)
        return _restore, (self._model.data, self.card.to_json(), *options)


def _restore(data: bytes, card: str, selection: PairSelection, out_of_range: OutOfRange, threads: int) -> Discriminant:
    model = ModelFile(data, ModelCard.from_json(card, "a pickled discriminant"))
    return Discriminant(model, selection=selection, out_of_range=out_of_range, threads=threads)


def _momenta(pairs: ak.Array) -> NDArray[np.float64]:
    """Return E, px, py, pz of muon pairs, (N, 2, 4), mu+ first."""
    momenta = []
    for muon in (pairs.plus, pairs.minus):
        px, py, pz, mass = components(muon)
        momenta.append(np.stack([energy(px, py, pz, mass), px, py, pz], -1))
    return np.stack(momenta, 1)
