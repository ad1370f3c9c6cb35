from __future__ import annotations

import numpy as np
import pytest
import torch

from zmumu_hybrid.learn import kernels


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_bfloat16_is_rounded_as_torch_does() -> None:
    values = np.concatenate([draw(1, 4000), np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, 1e-40]])], 1)
    values = values.astype(np.float32)
    out = np.empty(values.shape, np.uint16)
    kernels.narrow(values, out)
    expected = torch.from_numpy(values).bfloat16()
    found = torch.from_numpy(out).view(torch.bfloat16)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("narrow", [False, True])
def test_normalisation_is_torchs(narrow: bool) -> None:
    rows, width = 40, 6
    z = draw(rows, width) * 3 + 1
    upper = torch.from_numpy(z).bfloat16() if narrow else torch.from_numpy(z)
    given = upper.view(torch.uint16).numpy() if narrow else z
    weight, bias, shift = draw(width, seed=1) + 2, draw(width, seed=2), draw(width, seed=3)
    norm = torch.nn.BatchNorm1d(width)
    norm.weight.data, norm.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
    x = upper.float().requires_grad_()
    expected = norm(x + torch.from_numpy(shift)).relu()
    mean, inverse, out = np.empty(width, np.float32), np.empty(width, np.float32), np.empty_like(z)
    running = np.zeros(width, np.float32), np.ones(width, np.float32)
    kernels.normalise(given, shift, weight, bias, *running, np.float32(0.1), np.float32(1e-5), mean, inverse, out)
    np.testing.assert_allclose(out, expected.detach(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(running[0], norm.running_mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(running[1], norm.running_var, rtol=1e-5, atol=1e-6)
    gradient = draw(rows, width, seed=4)
    expected.backward(torch.from_numpy(gradient))
    weight_gradient, bias_gradient, back = np.empty_like(weight), np.empty_like(bias), np.empty_like(z)
    kernels.normalise_backward(gradient, given, mean, inverse, weight, bias, weight_gradient, bias_gradient, back)
    np.testing.assert_allclose(back, x.grad, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weight_gradient, norm.weight.grad, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(bias_gradient, norm.bias.grad, rtol=1e-4, atol=1e-4)


def test_nan_goes_through_the_activation() -> None:
    z, width = draw(10, 3), 3
    z[4, 1] = np.nan
    out, ones, zeros = np.empty_like(z), np.ones(width, np.float32), np.zeros(width, np.float32)
    spare = [np.empty(width, np.float32) for _ in range(4)]
    kernels.normalise(z, zeros, ones, zeros, *spare[:2], np.float32(0.1), np.float32(1e-5), *spare[2:], out)
    assert np.isnan(out[:, 1]).all()
    assert np.isfinite(out[:, [0, 2]]).all()


def test_the_loss_is_torchs() -> None:
    logits = np.concatenate([draw(50, 1) * 5, np.array([[90.0], [-90.0]])]).astype(np.float32)
    labels = (draw(52, 1, seed=1) > 0).astype(np.float32)
    weights = np.abs(draw(52, 1, seed=2))
    x = torch.from_numpy(logits).requires_grad_()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        x, torch.from_numpy(labels), torch.from_numpy(weights)
    )
    expected.backward()
    gradient = np.empty_like(logits)
    total = kernels.binary_cross_entropy(logits, labels, weights, gradient)
    assert total / 52 == pytest.approx(expected.item(), rel=1e-6)
    np.testing.assert_allclose(gradient, x.grad, rtol=1e-5, atol=1e-7)


def test_the_optimiser_is_torchs() -> None:
    value = draw(5, 7)
    parameter = torch.nn.Parameter(torch.from_numpy(value.copy()))
    optimizer = torch.optim.AdamW([parameter], lr=1e-2, weight_decay=0.1)
    first, second = np.zeros_like(value), np.zeros_like(value)
    for step in range(1, 6):
        gradient = draw(5, 7, seed=step)
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        numbers = (1e-2 / (1 - 0.9**step), 1 - 1e-2 * 0.1, 0.9, 0.999, 1e-8, (1 - 0.999**step) ** -0.5)
        kernels.adamw((value,), (gradient,), (first,), (second,), np.array(numbers, np.float32))
    np.testing.assert_allclose(value, parameter.detach(), rtol=1e-5, atol=1e-6)
