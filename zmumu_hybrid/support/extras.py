"""The optional libraries, each with the extra of the package that installs it."""

from __future__ import annotations

from importlib.util import find_spec

from zmumu_hybrid.errors import MissingDependencyError

__all__ = ["explained", "require"]

_EXTRAS = {
    "XRootD": "remote",
    "aiohttp": "remote",
    "dask": "dask",
    "dask_jobqueue": "dask",
    "distributed": "dask",
    "fsspec_xrootd": "remote",
    "iminuit": "analysis",
    "lgatr": "rivals",
    "lloca": "rivals",
    "onnx": "apply",
    "onnxruntime": "apply",
    "onnxscript": "train",
    "optuna": "scan",
    "pelican": "rivals",
    "pyhf": "analysis",
    "pythia8mc": "generate",
    "requests": "remote",
    "safetensors": "train",
    "sklearn": "rivals",
    "tensorboard": "tensorboard",
    "torch": "train",
    "yaml": "dask",
}
"""The extra by the name of the module."""

_DISTRIBUTIONS = {
    "XRootD": "xrootd",
    "dask_jobqueue": "dask-jobqueue",
    "fsspec_xrootd": "fsspec-xrootd",
    "pelican": "pelican-lite",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Where the name of the package is not that of the module."""


def require(*modules: str) -> None:
    """Raise `MissingDependencyError`, naming library and extra, if one of these modules is not installed."""
    if missing := [name for name in modules if find_spec(name) is None]:
        raise _missing(missing)


def explained(error: ImportError) -> ImportError:
    """Return the error to raise for one of an import: `MissingDependencyError` if it is of an optional library."""
    module = (error.name or "").partition(".")[0]
    if module not in _EXTRAS:
        return error
    if isinstance(error, ModuleNotFoundError):
        return _missing([module])
    return MissingDependencyError(
        f"{module} cannot be loaded ({error}): install it again, 'zmumu-hybrid[{_EXTRAS[module]}]'"
    )


def _missing(modules: list[str]) -> MissingDependencyError:
    names = ", ".join(_DISTRIBUTIONS.get(module, module) for module in modules)
    extras = ",".join(dict.fromkeys(_EXTRAS[module] for module in modules))
    is_not = "is not" if len(modules) == 1 else "are not"
    return MissingDependencyError(f"{names} {is_not} installed: pip install 'zmumu-hybrid[{extras}]'")
