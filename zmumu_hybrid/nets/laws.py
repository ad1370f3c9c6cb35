"""Laws that a network obeys, to be asserted in tests: of this package's networks and of your own.

A module is copied, in float64 so that rounding does not hide what is measured, and left as it was. Any other function
of the same arguments, such as one latent of a network, is called as it is. Each check returns the largest deviation,
and raises `AssertionError` with it if it is above the tolerance. Deviations are relative to the largest output, or to
one if that is larger.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zmumu_hybrid.physics.kinematics import boost_matrix, rotation_matrix

__all__ = [
    "FACTOR_TOLERANCE",
    "LORENTZ_TOLERANCE",
    "LORENTZ_TRANSFORMATIONS",
    "PADDING_TOLERANCE",
    "PERMUTATION_TOLERANCE",
    "assert_invariant",
    "assert_lorentz_invariant",
    "assert_padding_ignored",
    "assert_permutation_invariant",
    "assert_symmetry_factor",
]

LORENTZ_TOLERANCE = 1e-9
"""Boosted energies of TeV leave 1e-16 of their square in an invariant, 1e-10 GeV^2, and a network may steepen that."""

PERMUTATION_TOLERANCE = 1e-12
"""Sums over particles, and in training over a batch, are rounded in another order."""

PADDING_TOLERANCE = 1e-12
"""Likewise."""

FACTOR_TOLERANCE = 1e-6
"""The rounding of a softmax in float32."""

Network = Callable[..., Tensor]

_OBLIQUE = np.array([2.0, -3.0, 6.0]) / 7

LORENTZ_TRANSFORMATIONS: tuple[NDArray[np.float64], ...] = (
    boost_matrix([0, 0, 1], 1.5),
    boost_matrix(_OBLIQUE, -0.8),
    rotation_matrix(_OBLIQUE[::-1], 2.0),
    rotation_matrix(_OBLIQUE, -0.7) @ boost_matrix([1, 0, 0], 0.6),
)
"""Boosts along the beam and across it, a rotation, and one after the other."""


def assert_invariant(net: Network, before: Tensor, after: Tensor, tolerance: float, **inputs: Tensor | None) -> float:
    """Assert that inputs before and after any transformation give the same output in evaluation mode.

    Parameters
    ----------
    net : torch.nn.Module or callable
    before, after : Tensor, shape (B, ...)
        Its first argument.
    tolerance : float
    **inputs
        Other arguments by name, the same in both calls.

    Returns
    -------
    float
        The largest deviation.

    Examples
    --------
    >>> image = torch.rand(4, 1, 8, 8)
    >>> mean = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular"), nn.AdaptiveAvgPool2d(1))
    >>> assert_invariant(mean, image, image.roll((2, -1), (2, 3)), tolerance=1e-12) < 1e-12
    True
    """
    first, second = (_run(_exact(net), False, given, **inputs) for given in (before, after))
    return _same(first, second, tolerance, "the output is not invariant")


def assert_lorentz_invariant(
    net: Network,
    p4: Tensor,
    *,
    transformations: Iterable[NDArray[np.float64]] = LORENTZ_TRANSFORMATIONS,
    tolerance: float = LORENTZ_TOLERANCE,
    **inputs: Tensor | None,
) -> float:
    """Assert that Lorentz transformations of all particles of an event do not change the output in evaluation mode.

    Parameters
    ----------
    net : torch.nn.Module or callable
    p4 : Tensor, shape (B, n, 4)
        E, px, py, pz, zero for padding.
    transformations : iterable of array, shape (4, 4)
        Others, for a network that knows a subgroup: see `zmumu_hybrid.physics.kinematics.boost_matrix` and
        `rotation_matrix`.
    tolerance : float
    **inputs
        Other arguments of the network by name.

    Returns
    -------
    float
        The largest deviation.

    Examples
    --------
    >>> from zmumu_hybrid.nets import PFN, InvariantNetwork
    >>> p4 = torch.rand(5, 2, 4) + torch.tensor([3.0, 0, 0, 0])
    >>> assert_lorentz_invariant(InvariantNetwork(), p4) < LORENTZ_TOLERANCE
    True
    >>> assert_lorentz_invariant(PFN(), p4)
    Traceback (most recent call last):
    AssertionError: the output is not invariant: it deviates by ...
    """
    exact, p4 = _exact(net), p4.double()
    first = _run(exact, False, p4, **inputs)
    return max(
        _same(
            first, _run(exact, False, p4 @ p4.new_tensor(matrix.T), **inputs), tolerance, "the output is not invariant"
        )
        for matrix in transformations
    )


def assert_permutation_invariant(
    net: Network,
    p4: Tensor,
    mask: Tensor | None = None,
    scalars: Tensor | None = None,
    *,
    tolerance: float = PERMUTATION_TOLERANCE,
    **inputs: Tensor | None,
) -> float:
    """Assert that the order of the particles does not matter, in training and in evaluation.

    Parameters
    ----------
    net : torch.nn.Module or callable
    p4 : Tensor, shape (B, n, 4)
    mask : Tensor, shape (B, n), optional
    scalars : Tensor, shape (B, n, L), optional
    tolerance : float
    **inputs
        Arguments by name that do not belong to particles.

    Returns
    -------
    float
        The largest deviation.
    """
    worst = 0.0
    ordered = _given(mask=mask, scalars=scalars)
    turns = {tuple(range(p4.shape[1] - 1, -1, -1)), (*range(1, p4.shape[1]), 0)}
    for order in map(list, turns):
        moved = {name: values[:, order] for name, values in ordered.items()}
        for training in (False, True):
            first = _run(_exact(net), training, p4, **ordered, **inputs)
            second = _run(_exact(net), training, p4[:, order], **moved, **inputs)
            where = f"the order of the particles matters in {'training' if training else 'evaluation'}"
            worst = max(worst, _same(first, second, tolerance, where))
    return worst


def assert_padding_ignored(
    net: Network,
    p4: Tensor,
    mask: Tensor,
    scalars: Tensor | None = None,
    *,
    wider: Network | None = None,
    extra: int = 2,
    tolerance: float = PADDING_TOLERANCE,
    **inputs: Tensor | None,
) -> float:
    """Assert that padding does not matter: neither what stands in it nor, with `wider`, how much of it there is.

    It is asserted of the outputs in training and in evaluation after it, and of the statistics that a training gathers.

    Parameters
    ----------
    net : torch.nn.Module or callable
    p4 : Tensor, shape (B, n, 4)
    mask : Tensor, shape (B, n)
        1 for particles, 0 for padding.
    scalars : Tensor, shape (B, n, L), optional
    wider : torch.nn.Module or callable, optional
        The same network, with the same parameters, for events of `extra` particles more.
    extra : int
    tolerance : float
    **inputs
        Arguments by name that do not belong to particles.

    Returns
    -------
    float
        The largest deviation.
    """
    there = mask.unsqueeze(-1) > 0
    plain = {name: torch.where(there, values, 0) for name, values in _given(p4=p4, scalars=scalars).items()}
    nonsense = {name: torch.where(there, values, torch.nan) for name, values in plain.items()}
    cases = [(net, nonsense, mask)]
    if wider is not None:
        more = {name: nn.functional.pad(values, (0, 0, 0, extra), value=-7.0) for name, values in plain.items()}
        cases.append((wider, more, nn.functional.pad(mask, (0, extra))))
    worst = 0.0
    for other, padded, longer in cases:
        first, second = _exact(net), _exact(other)
        for training in (False, True, False):
            expected = _run(first, training, plain["p4"], mask=mask, scalars=plain.get("scalars"), **inputs)
            found = _run(second, training, padded["p4"], mask=longer, scalars=padded.get("scalars"), **inputs)
            where = f"padding matters in {'training' if training else 'evaluation'}"
            worst = max(worst, _same(expected, found, tolerance, where))
        for name, values in _statistics(first).items():
            worst = max(worst, _same(values, _statistics(second)[name], tolerance, f"padding matters in {name}"))
    return worst


def assert_symmetry_factor(net: Any, context: Tensor, *, tolerance: float = FACTOR_TOLERANCE) -> float:
    """Assert that the symmetry factor gives every subnet a share, and that the shares of an event sum to one.

    Parameters
    ----------
    net : object with a method `symmetry_factor`
        `ApproximateSymmetry`, `DimuonHybrid`, or a network of your own.
    context : Tensor, shape (B, C)
    tolerance : float

    Returns
    -------
    float
        The largest deviation of a sum from one.
    """
    with torch.no_grad():
        factor: Tensor = net.symmetry_factor(context)
    if factor.ndim != 2 or len(factor) != len(context):
        raise AssertionError(f"the symmetry factor has the shape {tuple(factor.shape)}, not ({len(context)}, K)")
    if not ((factor >= 0) & (factor <= 1)).all():
        raise AssertionError(f"shares of the symmetry factor lie between {factor.min():.3g} and {factor.max():.3g}")
    return _same(factor.sum(1), torch.ones_like(factor[:, 0]), tolerance, "shares do not sum to one")


def _given(**inputs: Tensor | None) -> dict[str, Tensor]:
    return {name: values for name, values in inputs.items() if values is not None}


def _exact(net: Network) -> Network:
    return copy.deepcopy(net).double() if isinstance(net, nn.Module) else net


def _run(net: Network, training: bool, p4: Tensor, /, **inputs: Tensor | None) -> Tensor:
    """Return the output; what a module draws is the same in every call."""
    if isinstance(net, nn.Module):
        net.train(training)
        p4 = p4.double()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        output = net(p4, **_given(**inputs))
    if (output == output[:1]).all():
        raise AssertionError("the output is the same for all events, so that no law can be tested with it")
    return output


def _statistics(net: Network) -> dict[str, Tensor]:
    return dict(net.named_buffers()) if isinstance(net, nn.Module) else {}


def _same(first: Tensor, second: Tensor, tolerance: float, what: str) -> float:
    if first.shape != second.shape:
        raise AssertionError(f"{what}: its shape is {tuple(second.shape)}, not {tuple(first.shape)}")
    scale = max(1.0, float(first.abs().max()))
    deviation = float((first.double() - second.double()).abs().max()) / scale
    if not deviation <= tolerance:  # also where it is not a number
        raise AssertionError(f"{what}: it deviates by {deviation:.3g}, more than {tolerance:.3g}")
    return deviation
