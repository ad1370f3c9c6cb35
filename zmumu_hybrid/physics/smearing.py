"""The detector: each muon's transverse momentum smeared in proportion to itself.

pT' = pT (1 + w z) with z standard normal and w = 0.1 (paper, section II). pz and phi are held and the energy follows
from the mass (`hold="pz"`): only then does the width of the mass grow with pT as in Fig. 2. With `hold="eta"` the
direction is held, as a tracker measures it.

A Gaussian has tails: for 1 + w z < 0 the formula gives a negative pT', taken as it stands: the transverse momentum then
points the other way, px' = pT' cos(phi), so that the transverse momentum has the size abs(pT') and the azimuth phi +
pi. At w = 0.1 this is ten standard deviations away and does not happen; `count_negative_pt` says how often it did.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np

from zmumu_hybrid.draws import keys
from zmumu_hybrid.draws.normal import quantiles
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.physics.kinematics import Floats, energy
from zmumu_hybrid.physics.pair_arrays import IDENTITY, FlatPairs, Muon
from zmumu_hybrid.support.compiled import compiled
from zmumu_hybrid.support.outputs import read_mark
from zmumu_hybrid.support.values import require_form, require_number, require_seed

__all__ = [
    "DrawSource",
    "Hold",
    "SmearingConfig",
    "SmearingMode",
    "correctionlib_key",
    "count_negative_pt",
    "draws",
    "smear",
    "smear_components",
    "smear_flat",
]

SmearingMode = Literal["independent", "shared", "none"]
Hold = Literal["pz", "eta"]
DrawSource = Literal["splitmix64", "correctionlib"]


@dataclass(frozen=True, slots=True)
class SmearingConfig:
    """How muons are smeared.

    Parameters
    ----------
    mode : {"independent", "shared", "none"}
        One draw per muon (the paper's words), one draw for both muons of an event (the released code), or no smearing.
    hold : {"pz", "eta"}
        What stays as it is, beside the azimuth.
    width : float
        Standard deviation of pT' / pT.
    seed : int
        Of the draws.
    draws : {"splitmix64", "correctionlib"}
        The hash that makes them: that of `zmumu_hybrid.draws.keys`, or the `HashPRNG` of correctionlib, so that any
        framework that reads a correctionlib payload makes the same ones; see `zmumu_hybrid.physics.smearing_payload`.

    Raises
    ------
    ConfigurationError
        If an option is unknown, `width` is negative or not finite, or `seed` not from 0 to 2^63 - 1.

    Examples
    --------
    >>> SmearingConfig(width=0.05, seed=1)
    SmearingConfig(mode='independent', hold='pz', width=0.05, seed=1, draws='splitmix64')
    """

    mode: SmearingMode = "independent"
    hold: Hold = "pz"
    width: float = 0.1
    seed: int = 0
    draws: DrawSource = "splitmix64"

    def __post_init__(self) -> None:
        for name, value, options in (
            ("smearing", self.mode, SmearingMode),
            ("hold", self.hold, Hold),
            ("draws", self.draws, DrawSource),
        ):
            if value not in get_args(options):
                raise ConfigurationError(f"{name} {value!r}: use one of {', '.join(get_args(options))}")
        require_number("width of the smearing", self.width, 0)
        require_seed(self.seed)

    @classmethod
    def of_sample(cls, directory: str | os.PathLike[str]) -> SmearingConfig:
        """Return how the muons in a directory of `zmumu process` were smeared.

        Raises
        ------
        MissingInputError, InputError
            If its `process.json` does not say it.
        """
        path = Path(directory) / "process.json"
        form = {"smearing": str, "hold": str, "width": float, "seed": int}
        record = read_mark(path)
        try:
            options = require_form(record, {"options": form}, "its content")["options"]
            return cls(*(options[name] for name in form))
        except (InputError, ConfigurationError) as error:
            raise InputError(
                f"{path}: does not say how the muons were smeared ({str(error).removeprefix(f'{path}: ')}): "
                "run `zmumu process` again"
            ) from error


def smear(pairs: ak.Array, config: SmearingConfig | None = None, dataset: str = "data", **settings: Any) -> ak.Array:
    """Return pairs with smeared muons; the given ones stay as they are.

    Parameters
    ----------
    pairs : awkward.Array
        As from `select_pairs`.
    config : SmearingConfig, optional
        How they are smeared. Mode "none" gives the same values back, bit for bit.
    dataset : str
        Part of the key of the draws, so that equally numbered events of two data sets have different ones.
    **settings
        Fields of `SmearingConfig`, in place of those of `config`, or of the defaults.

    Returns
    -------
    awkward.Array
        The same records with `plus` and `minus` smeared. The draws depend on (config.seed, dataset, run,
        luminosityBlock, event, muon) alone: not on order, chunks or executor.

    Raises
    ------
    ConfigurationError
        If a setting cannot be used.

    Examples
    --------
    >>> import awkward as ak
    >>> import zmumu_hybrid as zh
    >>> muon = {"eta": 0.0, "mass": 0.10566}
    >>> muons = [muon | {"pt": 45.0, "phi": 0.0, "charge": 1}, muon | {"pt": 44.0, "phi": 3.1, "charge": -1}]
    >>> events = ak.Array([{"run": 1, "luminosityBlock": 1, "event": 7, "Muon": muons}])
    >>> pairs = zh.select_pairs(events)
    >>> smeared = zh.smear(pairs, width=0.1, seed=1)
    >>> round(float(smeared.plus.pt[0]), 3), round(float((smeared.plus + smeared.minus).mass[0]), 3)
    (47.061, 99.768)
    >>> config = zh.SmearingConfig(mode="shared", seed=1)
    >>> round(float(zh.smear(pairs, config, "signal").plus.pt[0]), 3)
    39.359
    """
    config = replace(config or SmearingConfig(), **settings)
    if config.mode == "none":
        return pairs
    return smear_flat(FlatPairs.of(pairs), config, dataset).records()


def smear_flat(pairs: FlatPairs, config: SmearingConfig, dataset: str) -> FlatPairs:
    """Do what `smear` does, on flat columns."""
    if config.mode == "none":
        return pairs
    muons = []
    for muon, z in zip((pairs.plus, pairs.minus), draws(pairs.identity, config, dataset), strict=True):
        px, py = np.empty(len(z)), np.empty(len(z))
        _scale(muon.px, muon.py, z, config.width, px, py)
        pz = muon.pz if config.hold == "pz" else muon.pz * np.abs(1 + config.width * z)
        muons.append(Muon(px, py, pz, muon.mass))
    return FlatPairs(pairs.identity, pairs.gen_weight, *muons)


def draws(identity: dict[str, np.ndarray], config: SmearingConfig, dataset: str) -> tuple[Floats, Floats]:
    """Return the standard-normal draws of the mu+ (slot 0) and the mu- (slot 1), each of shape (n,).

    `identity` holds run, luminosityBlock and event, integer arrays of shape (n,). Mode "shared" gives the first
    muon's draw for both, mode "none" zeros.
    """
    size = len(identity["event"])
    if config.mode == "none":
        return np.zeros(size), np.zeros(size)
    first, second = np.empty(size), np.empty(size)
    run, luminosity_block, event = (np.ascontiguousarray(identity[name]) for name in IDENTITY)
    if config.draws == "correctionlib":
        first, second = (
            _hash_prng().evaluate(run, luminosity_block, event, correctionlib_key(config, dataset, slot))
            for slot in (0, 1)
        )
        return first, first if config.mode == "shared" else second
    run, luminosity_block, event = keys.shared_identity(run, luminosity_block, event)
    _uniform(_state(config.seed, dataset), run, luminosity_block, event, first, second)
    plus = quantiles(first)
    return plus, plus if config.mode == "shared" else quantiles(second)


@cache
def _hash_prng() -> Any:
    """Return correctionlib's standard-normal numbers of four words: the identity of an event and one more."""
    import correctionlib

    words = [*IDENTITY, "key"]
    draw = {
        "name": "draw",
        "version": 1,
        "inputs": [{"name": name, "type": "int"} for name in words],
        "output": {"name": "draw", "type": "real"},
        "data": {"nodetype": "hashprng", "inputs": words, "distribution": "normal"},
    }
    return correctionlib.CorrectionSet.from_string(json.dumps({"schema_version": 2, "corrections": [draw]}))["draw"]


@cache
def _state(seed: int, dataset: str) -> np.uint64:
    """Return the state of the hash after what the keys of a data set have in common."""
    return np.uint64(keys.hash_key(seed, "smear", dataset))


def correctionlib_key(config: SmearingConfig, dataset: str, slot: int) -> int:
    """Return the word that stands for seed, data set and muon in correctionlib's hash: 48 bits, exact in any JSON."""
    return int(keys.hash_key(config.seed, "smear", dataset, slot)) >> 16


@compiled
def _uniform(state: Any, run: Any, luminosity_block: Any, event: Any, first: Any, second: Any) -> None:
    """Write `keys.uniform` of the key that begins with `state`, for slots 0 and 1, of each event."""
    for i in range(len(event)):
        x = _mixed(_mixed(_mixed(state, run[i]), luminosity_block[i]), event[i])
        first[i] = (np.float64(_mixed(x, 0) >> np.uint64(11)) + 0.5) * 2.0**-53
        second[i] = (np.float64(_mixed(x, 1) >> np.uint64(11)) + 0.5) * 2.0**-53


@compiled
def _mixed(state: Any, word: Any) -> Any:
    """Return the state of a key's hash after one more word; see `zmumu_hybrid.draws.keys`."""
    x = (state ^ np.uint64(word)) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def smear_components(
    px: Floats, py: Floats, pz: Floats, mass: Floats, z: Floats, width: float = 0.1, hold: Hold = "pz"
) -> tuple[Floats, Floats, Floats, Floats]:
    """Smear momenta given by components, with draws given.

    Parameters
    ----------
    px, py, pz, mass : numpy.ndarray of float64
        Momenta and masses (GeV), of one shape.
    z : numpy.ndarray of float64
        Standard-normal draws, of the same shape or one that broadcasts to it.
    width : float
        Standard deviation of pT' / pT.
    hold : {"pz", "eta"}
        "pz" returns `pz` bit for bit. "eta" scales it by abs(pT') / pT: the pseudorapidity is held when pT'
        is negative, too.

    Returns
    -------
    px, py, pz, energy : numpy.ndarray of float64
        GeV; the energy is on the shell of `mass`.
    """
    scale = 1 + width * z
    px, py = px * scale, py * scale
    if hold == "eta":
        pz = pz * np.abs(scale)
    return px, py, pz, energy(px, py, pz, mass)


@compiled
def _scale(px: Any, py: Any, z: Any, width: Any, px_out: Any, py_out: Any) -> None:
    """Do what `smear_components` does with the transverse components, in one go."""
    for i in range(len(z)):
        scale = 1.0 + width * z[i]
        px_out[i] = px[i] * scale
        py_out[i] = py[i] * scale


def count_negative_pt(pairs: FlatPairs, smeared: FlatPairs) -> int:
    """Return how many muons were smeared to a negative pT'."""
    muons = ((pairs.plus, smeared.plus), (pairs.minus, smeared.minus))
    return sum(int(_count_opposite(true.px, true.py, seen.px, seen.py)) for true, seen in muons)


@compiled
def _count_opposite(px: Any, py: Any, smeared_px: Any, smeared_py: Any) -> Any:
    opposite = 0
    for i in range(len(px)):
        opposite += 1 if px[i] * smeared_px[i] + py[i] * smeared_py[i] < 0 else 0
    return opposite
