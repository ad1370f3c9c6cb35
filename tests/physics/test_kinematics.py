from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
import vector
from hypothesis import given
from hypothesis import strategies as st

from toys import toy_momenta
from zmumu_hybrid.physics import kinematics

component = st.floats(-1e4, 1e4, allow_nan=False).map(lambda x: 0.0 if abs(x) < 1e-6 else x)
momentum = st.tuples(component, component, component, st.floats(1e-3, 10))


def with_energy(p: np.ndarray) -> np.ndarray:
    return np.column_stack([p[:, :3], kinematics.energy(*p.T)])


def exact_squared_mass(p: tuple[float, ...], q: tuple[float, ...]) -> float:
    """(p + q)^2 for masses and momenta as given, with the root of the energies' product to 60 digits."""
    p_exact, q_exact = [[Fraction(x) for x in vector4] for vector4 in (p, q)]
    energies = Fraction(1)
    for px, py, pz, m in (p_exact, q_exact):
        energies *= px**2 + py**2 + pz**2 + m**2
    scale = 10**60
    root = Fraction(isqrt(energies.numerator * scale**2 // energies.denominator), scale)
    scalar = sum((a * b for a, b in zip(p_exact[:3], q_exact[:3], strict=True)), Fraction(0))
    return float(p_exact[3] ** 2 + q_exact[3] ** 2 + 2 * (root - scalar))


@given(momentum, momentum)
def test_the_pair_mass_keeps_its_digits(p: tuple[float, ...], q: tuple[float, ...]) -> None:
    mass = float(kinematics.pair_mass(*np.array([*p, *q])[:, None])[0])
    assert mass**2 == pytest.approx(exact_squared_mass(p, q), rel=1e-10)
    assert mass >= (p[3] + q[3]) * (1 - 1e-14)


def test_the_pair_mass_of_nearly_parallel_muons_is_the_sum_of_their_masses() -> None:
    p = np.array([3e3, 4e3, 5e5, 0.10566])[:, None]
    assert kinematics.pair_mass(*p, *p)[0] == pytest.approx(2 * 0.10566, rel=1e-12)
    q = np.array([10.0, 0.0, 0.0, 0.0])[:, None]
    assert kinematics.pair_mass(*q, *q)[0] == 0
    assert kinematics.pair_mass(*(0 * q), *q)[0] == 0
    assert kinematics.pair_mass(*q, *-q)[0] == pytest.approx(20)


@given(st.floats(-3, 3), st.floats(-1, 1), st.floats(0, 6.3), st.floats(-6.3, 6.3))
def test_boosts_and_rotations_are_lorentz_transformations(
    rapidity: float, cosine: float, azimuth: float, angle: float
) -> None:
    sine = np.sqrt(1 - cosine**2)
    direction = np.array([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])
    metric = np.diag([1.0, -1.0, -1.0, -1.0])
    boost, rotation = kinematics.boost_matrix(direction, rapidity), kinematics.rotation_matrix(direction, angle)
    for matrix in (boost, rotation):
        np.testing.assert_allclose(matrix.T @ metric @ matrix, metric, atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
    rest = boost @ [1.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(rest, [np.cosh(rapidity), *(np.sinh(rapidity) * direction)], atol=1e-12)
    np.testing.assert_allclose(rotation[1:, 1:] @ direction, direction, atol=1e-12)
    assert np.trace(rotation) == pytest.approx(2 + 2 * np.cos(angle))
    stacked = kinematics.rotation_matrix(np.stack([direction, [0, 0, 1]]), [angle, 0.5 * np.pi])
    np.testing.assert_array_equal(stacked[0], rotation)
    np.testing.assert_allclose(stacked[1] @ [0, 1, 0, 0], [0, 0, 1, 0], atol=1e-15)  # from x to y


def test_components_agree_with_vector() -> None:
    plus, minus = toy_momenta(1000, boost_pt=20.0)
    v = [vector.array({"px": p[:, 0], "py": p[:, 1], "pz": p[:, 2], "mass": p[:, 3]}) for p in (plus, minus)]
    np.testing.assert_allclose(kinematics.pair_mass(*plus.T, *minus.T), (v[0] + v[1]).mass, rtol=1e-12)
    np.testing.assert_allclose(kinematics.energy(*plus.T), v[0].E, rtol=1e-14)
    np.testing.assert_allclose(kinematics.rapidity(v[0].E, v[0].pz), v[0].rapidity, rtol=1e-11, atol=1e-12)
    for ours, theirs in zip(kinematics.cartesian(v[0].pt, v[0].eta, v[0].phi), plus.T, strict=False):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_cos_theta_star_is_the_angle_in_the_rest_frame_and_does_not_see_boosts_along_the_beam() -> None:
    p, q = (vector.array(dict(zip(("px", "py", "pz", "mass"), x.T, strict=True))) for x in toy_momenta(2000))
    rest = p.boostCM_of(p + q)
    ours = kinematics.cos_theta_star(p.px, p.py, p.pz, p.E, q.px, q.py, q.pz, q.E)
    np.testing.assert_allclose(ours, rest.pz / rest.p, atol=1e-5)
    p, q = p.boostZ(beta=0.9), q.boostZ(beta=0.9)
    np.testing.assert_allclose(
        kinematics.cos_theta_star(p.px, p.py, p.pz, p.E, q.px, q.py, q.pz, q.E), ours, atol=1e-10
    )


def test_cos_theta_star_stays_in_range_and_changes_sign_with_the_muons() -> None:
    p, q = (with_energy(x) for x in toy_momenta(2000, boost_pt=50.0))
    ours = kinematics.cos_theta_star(*p.T, *q.T)
    assert np.all(np.abs(ours) <= 1)
    assert np.abs(ours.mean()) < 0.05
    np.testing.assert_array_equal(kinematics.cos_theta_star(*q.T, *p.T), -ours)


def test_empty_arrays_give_empty_arrays() -> None:
    empty = np.empty(0)
    assert kinematics.pair_mass(*[empty] * 8).shape == (0,)
    assert kinematics.cos_theta_star(*[empty] * 8).shape == (0,)


def test_the_direction_is_turned_to_the_last_digits() -> None:
    generator = np.random.default_rng(3)
    for largest in (np.pi, 50.0, 9e4, 1e6):
        phi = generator.uniform(-largest, largest, 50_000)
        px, py, _ = kinematics.cartesian(np.ones(len(phi)), np.zeros(len(phi)), phi)
        exact = phi.astype(np.longdouble)
        for found, expected in ((px, np.cos(exact)), (py, np.sin(exact))):
            assert np.max(np.abs(found - expected) / np.spacing(np.abs(found))) < 1


@pytest.mark.parametrize("phi", [0.0, -0.0, np.pi / 2, np.pi, -np.pi, 1e5, np.nextafter(1e5, 2e5), 1e300, 5e-324])
def test_special_directions(phi: float) -> None:
    px, py, pz = kinematics.cartesian(np.array([2.0]), np.array([0.0]), np.array([phi]))
    assert (px[0], py[0], pz[0]) == (2 * np.cos(phi), 2 * np.sin(phi), 0.0)
    assert np.signbit(py[0]) == np.signbit(np.sin(phi))


@given(st.lists(st.tuples(component, component, st.floats(-1e5, 1e5)), min_size=1, max_size=20))
def test_a_number_does_not_depend_on_its_neighbours(rows: list[tuple[float, float, float]]) -> None:
    columns = np.array(rows).T
    single = [
        kinematics.cartesian(*(each[i : i + 1] for each in columns * [[1], [1e-4], [1]])) for i in range(len(rows))
    ]
    for k, whole in enumerate(kinematics.cartesian(*(columns * [[1], [1e-4], [1]]))):
        assert whole.tobytes() == np.concatenate([each[k] for each in single]).tobytes()


@given(component, component)
def test_the_transverse_momentum(px: float, py: float) -> None:
    assert kinematics.transverse(np.array([px]), np.array([py]))[0] == pytest.approx(np.hypot(px, py), rel=4e-16)
    tiny, huge = (kinematics.transverse(np.array([px * f]), np.array([py * f]))[0] for f in (1e-290, 1e290))
    assert (tiny, huge) == pytest.approx((np.hypot(px * 1e-290, py * 1e-290), np.hypot(px * 1e290, py * 1e290)))
