"""The inverse of the normal distribution, compiled: a standard-normal number for each uniform one.

Wichura's algorithm AS 241 (Applied Statistics 37, 477, 1988), whose relative error is about 1e-16. 85% of all numbers
need its central part alone, which is calculated for all; the others are collected and done again.

The same draws on every machine are promised, bit for bit, and C libraries differ in the last digit, as do versions of
scipy: nothing here calls them, the logarithm included. Loops run on vector registers in return.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.support.compiled import compiled

__all__ = ["quantiles"]

Floats = NDArray[np.float64]

_NEAR = 0.425
_FAR = 5.0
_ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)
_ONE = np.int64(0x3FF0000000000000)


def quantiles(probability: Floats) -> Floats:
    """Return the quantile of each probability, float64 strictly between 0 and 1, shape (n,)."""
    probability = np.ascontiguousarray(probability, np.float64)
    result, tails, places = np.empty(len(probability)), np.empty(len(probability)), np.empty(len(probability), np.int64)
    _quantiles(probability, result, tails, places)
    return result


@compiled
def _quantiles(probability: Any, result: Any, tails: Any, places: Any) -> None:
    for i in range(len(result)):
        q = probability[i] - 0.5
        r = 0.180625 - q * q
        above = 6.7265770927008700853e4 + r * (3.3430575583588128105e4 + r * 2.5090809287301226727e3)
        above = 1.3731693765509461125e4 + r * (4.5921953931549871457e4 + r * above)
        above = 3.3871328727963666080e0 + r * (1.3314166789178437745e2 + r * (1.9715909503065514427e3 + r * above))
        below = 3.9307895800092710610e4 + r * (2.8729085735721942674e4 + r * 5.2264952788528545610e3)
        below = 5.3941960214247511077e3 + r * (2.1213794301586595867e4 + r * below)
        below = 1.0 + r * (4.2313330701600911252e1 + r * (6.8718700749205790830e2 + r * below))
        result[i] = q * above / below
    count = 0
    for i in range(len(result)):
        places[count] = i
        count += 1 if abs(probability[i] - 0.5) > _NEAR else 0
    for k in range(count):
        p = probability[places[k]]
        tails[k] = p if p < 0.5 else 1.0 - p
    for k in range(count):
        tails[k] = np.sqrt(-_log(tails[k]))
    for k in range(count):
        result[places[k]] = tails[k]
        tails[k] = _middle(tails[k])
    for k in range(count):
        i = places[k]
        deviate = tails[k] if result[i] <= _FAR else _far(result[i])
        result[i] = -deviate if probability[i] < 0.5 else deviate


@compiled
def _log(x: Any) -> Any:
    """Return the natural logarithm of a normal positive number: fdlibm's (Sun Microsystems, 1993), without branches."""
    bits = np.float64(x).view(np.int64) + (_ONE - _ROOT_HALF)
    exponent = np.float64((bits >> 52) - 1023)
    f = np.int64((bits & 0x000FFFFFFFFFFFFF) + _ROOT_HALF).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    r = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = 1.818357216161805012e-01 + w * 1.479819860511658591e-01
    r += z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * odd))
    half = 0.5 * f * f
    low = s * (half + r) + exponent * 1.90821492927058770002e-10
    return exponent * 6.93147180369123816490e-01 - ((half - low) - f)


@compiled
def _middle(r: Any) -> Any:
    r = r - 1.6
    above = 2.41780725177450611770e-1 + r * (2.27238449892691845833e-2 + r * 7.74545014278341407640e-4)
    above = 3.64784832476320460504e0 + r * (1.27045825245236838258e0 + r * above)
    above = 1.42343711074968357734e0 + r * (4.63033784615654529590e0 + r * (5.76949722146069140550e0 + r * above))
    below = 1.51986665636164571966e-2 + r * (5.47593808499534494600e-4 + r * 1.05075007164441684324e-9)
    below = 6.89767334985100004550e-1 + r * (1.48103976427480074590e-1 + r * below)
    below = 1.0 + r * (2.05319162663775882187e0 + r * (1.67638483018380384940e0 + r * below))
    return above / below


@compiled
def _far(r: Any) -> Any:
    r = r - _FAR
    above = 1.24266094738807843860e-3 + r * (2.71155556874348757815e-5 + r * 2.01033439929228813265e-7)
    above = 2.96560571828504891230e-1 + r * (2.65321895265761230930e-2 + r * above)
    above = 6.65790464350110377720e0 + r * (5.46378491116411436990e0 + r * (1.78482653991729133580e0 + r * above))
    below = 1.84631831751005468180e-5 + r * (1.42151175831644588870e-7 + r * 2.04426310338993978564e-15)
    below = 1.48753612908506148525e-2 + r * (7.86869131145613259100e-4 + r * below)
    below = 1.0 + r * (5.99832206555887937690e-1 + r * (1.36929880922735805310e-1 + r * below))
    return above / below
