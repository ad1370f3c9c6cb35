"""Which events are held out, and which make a smaller sample: decided by each event's own key.

An event is in the test part, or is the n-th of a sample, whatever the file, the order or the other events are. The
two decisions are independent draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.support.values import require_number, require_seed

__all__ = ["SplitConfig", "is_test", "subset", "subset_order"]


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """How events are held out: the fraction of the test part, 0 to below 1, and the seed of the draws.

    Raises
    ------
    ConfigurationError
        If the fraction or the seed is out of range.
    """

    fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("test fraction", self.fraction, 0, below=1)
        require_seed(self.seed)


def is_test(
    run: NDArray[Any], luminosity_block: NDArray[Any], event: NDArray[Any], split: SplitConfig | None = None
) -> NDArray[np.bool_]:
    """Return which events are in the test part: a boolean array of the shape (n,) of the integer arrays."""
    split = split or SplitConfig()
    return keys.uniform(split.seed, "split", *keys.shared_identity(run, luminosity_block, event)) < split.fraction


def subset_order(*identity: NDArray[Any], seed: int = 0) -> NDArray[np.int64]:
    """Return the rows in the order in which they enter a subset, shape (n,).

    Parameters
    ----------
    *identity : integer arrays of shape (n,)
        What identifies a row: run, luminosityBlock, event and, where both classes are mixed, label. The events of a
        group follow one another.
    seed : int
        Another seed gives another order.
    """
    return np.lexsort((*identity[::-1], keys.hash_key(seed, "subset", *keys.shared_identity(*identity))))


def subset(*identity: NDArray[Any], size: int | float, seed: int = 0) -> NDArray[np.bool_]:
    """Choose a part of the rows at random by their identity.

    Subsets of one seed are nested: a larger one holds every smaller one. The choice has nothing to do with the test
    part (`is_test`): choose among the training rows for a part of these.

    Parameters
    ----------
    *identity : integer arrays of shape (n,)
        As in `subset_order`.
    size : int or float
        How many rows; as a float, the fraction of them from 0 to 1, rounded to whole rows.
    seed : int
        Of the draws.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        Exactly the asked number is true.

    Raises
    ------
    ConfigurationError
        If there are not as many rows, or the fraction is out of range.
    """
    order = subset_order(*identity, seed=seed)
    if isinstance(size, float):
        if not 0 <= size <= 1:
            raise ConfigurationError(f"fraction {size} of the events: must be from 0 to 1")
        size = round(size * len(order))
    if not 0 <= size <= len(order):
        raise ConfigurationError(f"{size} events asked for, {len(order)} are there: use fewer or make more")
    chosen = np.zeros(len(order), bool)
    chosen[order[:size]] = True
    return chosen
