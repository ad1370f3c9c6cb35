"""The detector: each muon's transverse momentum smeared in proportion to itself.

pT' = pT (1 + w z) with z standard normal and w = 0.1 (paper, section II). pz and phi are held and the energy follows
from the mass (`hold="pz"`): only then does the width of the mass grow with pT as in Fig. 2. With `hold="eta"` the
direction is held, as a tracker measures it.

A Gaussian has tails: for 1 + w z < 0 the formula gives a negative pT', taken as it stands: the transverse momentum is
turned round, px' = pT' cos(phi), so that the transverse momentum has the size abs(pT') and the azimuth phi + pi.
At w = 0.1 this is ten standard deviations away and does not happen; `count_reversed` says how often it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import awkward as ak
import numpy as np

from zmumu_hybrid import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.kinematics import Floats, energy
from zmumu_hybrid.pairs import IDENTITY, components, make_muons, make_pairs

__all__ = ["Hold", "SmearingConfig", "SmearingMode", "count_reversed", "draws", "smear", "smear_components"]

SmearingMode = Literal["independent", "shared", "none"]
Hold = Literal["pz", "eta"]


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

    Raises
    ------
    ConfigurationError
        If an option is unknown or `width` is negative or not finite.
    """

    mode: SmearingMode = "independent"
    hold: Hold = "pz"
    width: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, options in (("smearing", self.mode, SmearingMode), ("hold", self.hold, Hold)):
            if value not in get_args(options):
                raise ConfigurationError(f"{name} {value!r}: use one of {', '.join(get_args(options))}")
        if not (np.isfinite(self.width) and self.width >= 0):
            raise ConfigurationError(f"smearing width {self.width}: must be a finite number, 0 or more")


def smear(pairs: ak.Array, config: SmearingConfig, dataset: str) -> ak.Array:
    """Return pairs with smeared muons; the given ones stay as they are.

    Parameters
    ----------
    pairs : awkward.Array
        As from `select_pairs`.
    config : SmearingConfig
        Mode "none" gives the same values back, bit for bit.
    dataset : str
        Part of the key of the draws, so that equally numbered events of two data sets have different ones.

    Returns
    -------
    awkward.Array
        The same records with `plus` and `minus` smeared. The draws depend on (config.seed, dataset, run,
        luminosityBlock, event, muon) alone: not on order, chunks or executor.
    """
    if config.mode == "none":
        return pairs
    identity = {name: ak.to_numpy(pairs[name]) for name in IDENTITY}
    muons = []
    for muon, z in zip((pairs.plus, pairs.minus), draws(identity, config, dataset), strict=True):
        px, py, pz, mass = components(muon)
        px, py, pz, _ = smear_components(px, py, pz, mass, z, width=config.width, hold=config.hold)
        muons.append(make_muons(px, py, pz, mass))
    return make_pairs(identity, ak.to_numpy(pairs.gen_weight), *muons)


def draws(identity: dict[str, np.ndarray], config: SmearingConfig, dataset: str) -> tuple[Floats, Floats]:
    """Return the standard-normal draws of the mu+ (slot 0) and the mu- (slot 1), each of shape (n,).

    `identity` holds run, luminosityBlock and event, integer arrays of shape (n,). Mode "shared" gives the first
    muon's draw for both, mode "none" zeros.
    """
    key = (config.seed, "smear", dataset, *(identity[name] for name in IDENTITY))
    if config.mode == "none":
        zeros = np.zeros(len(identity["event"]))
        return zeros, zeros
    first = keys.normal(*key, 0)
    return first, first if config.mode == "shared" else keys.normal(*key, 1)


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
        "pz" returns `pz` bit for bit. "eta" scales it by abs(pT') / pT: the pseudorapidity is held when the
        transverse momentum is turned round, too.

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


def count_reversed(pairs: ak.Array, smeared: ak.Array) -> int:
    """Return how many muons were smeared to a negative pT', that is, have their transverse momentum turned round."""
    reversed_ = 0
    for muon in ("plus", "minus"):
        (x, y, *_), (smeared_x, smeared_y, *_) = components(pairs[muon]), components(smeared[muon])
        reversed_ += int(np.count_nonzero(x * smeared_x + y * smeared_y < 0))
    return reversed_
