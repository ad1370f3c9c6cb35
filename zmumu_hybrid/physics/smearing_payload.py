"""The smearing as a correctionlib payload, so that any framework that reads one smears the same muons the same way.

The payload (JSON, schema version 2) holds three corrections. All take `dataset`, `run`, `luminosityBlock`, `event` and
`muon`, 0 for the mu+ and 1 for the mu-:

- ``draw``: the standard-normal number z of a muon;
- ``scale``: pT' / pT = 1 + width z, of `pt` (GeV, whose value does not matter) and `systematic`, the name of a width;
- ``smeared_pt``: pT', of the same.

px and py scale as pT does; `SmearingConfig.hold` says what becomes of pz, and the energy follows from the mass.
`zmumu_hybrid.physics.smearing` makes the same numbers with ``draws="correctionlib"``, as it asks that library for them.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.physics.pair_arrays import IDENTITY
from zmumu_hybrid.physics.smearing import SmearingConfig, correctionlib_key
from zmumu_hybrid.support.files import atomic_path
from zmumu_hybrid.support.values import require_text

__all__ = ["make_payload", "write_payload"]

_TEXT = {
    "dataset": "name of the data set",
    "muon": "0 for the mu+, 1 for the mu-",
    "pt": "transverse momentum of the muon in GeV",
    "systematic": "name of the width",
    **dict.fromkeys(IDENTITY, "of the event, its 64 bits as a signed integer"),
}
_KINDS = {"dataset": "string", "systematic": "string", "pt": "real"}
_KEY = ("dataset", *IDENTITY, "muon")


def make_payload(
    config: SmearingConfig, datasets: Sequence[str], widths: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the smearing of data sets as a correctionlib set of corrections, ready for `json.dumps`.

    Parameters
    ----------
    config : SmearingConfig
        With ``draws="correctionlib"``, and a mode that draws.
    datasets : sequence of str
        Names of the data sets, each of which has its own draws.
    widths : mapping of str to float, optional
        Widths by the name of their systematic; by default "nominal" has that of `config`.

    Raises
    ------
    ConfigurationError
        If the draws are others, there are none, no data set is named or one twice, a name is no text in UTF-8, or a
        width is not a finite number of 0 or more.
    """
    if config.draws != "correctionlib":
        raise ConfigurationError(
            f"draws {config.draws!r}: a payload can only express draws 'correctionlib', that library's own hash"
        )
    if config.mode == "none":
        raise ConfigurationError("smearing 'none': a payload needs draws; use independent or shared")
    if not datasets or len(set(datasets)) != len(datasets):
        raise ConfigurationError(f"data sets {', '.join(datasets) or '(none)'}: name at least one, and each once")
    widths = {"nominal": config.width} if widths is None else widths
    for dataset in datasets:
        require_text("name of a data set", dataset)
    for name, width in widths.items():
        require_text("name of a systematic", name)
        if not (np.isfinite(width) and width >= 0):
            raise ConfigurationError(f"width {width} of {name!r}: must be a finite number, 0 or more")
    said = f"seed {config.seed}, {config.mode} draws, hold {config.hold}"
    draw = {"nodetype": "hashprng", "inputs": [*IDENTITY, "muon"], "distribution": "normal"}
    formulas = {name: _formula("1+[0]*x", [float(width)]) for name, width in widths.items()}
    scale = {
        "nodetype": "transform",
        "input": "pt",
        "rule": draw,
        "content": _category("systematic", formulas),
    }
    ratio = f"pT' / pT = 1 + width z of the smearing: {said}; widths {json.dumps(dict(widths))}"
    return {
        "schema_version": 2,
        "description": f"Smearing of the transverse momentum of muons: {said}. px and py scale with pT' / pT.",
        "corrections": [
            _correction("draw", f"standard-normal number z of a muon: {said}", _KEY, _keyed(config, datasets, draw)),
            _correction("scale", ratio, (*_KEY, "pt", "systematic"), _keyed(config, datasets, scale)),
            _correction("value", "the transverse momentum that it is given", ("pt",), _formula("x", [])),
        ],
        "compound_corrections": [
            {
                "name": "smeared_pt",
                "description": "pT' in GeV; below zero the transverse momentum points the other way",
                "inputs": [_variable(name) for name in (*_KEY, "pt", "systematic")],
                "output": {"name": "smeared_pt", "type": "real"},
                "inputs_update": ["pt"],
                "input_op": "*",
                "output_op": "last",
                "stack": ["scale", "value"],
            }
        ],
    }


def write_payload(
    path: str | os.PathLike[str],
    config: SmearingConfig,
    datasets: Sequence[str],
    widths: Mapping[str, float] | None = None,
) -> Path:
    """Write what `make_payload` makes, compressed if the name ends in .gz; return the path.

    Raises
    ------
    ConfigurationError
        As `make_payload`.
    OutputError
        If the file cannot be written.
    """
    text = json.dumps(make_payload(config, datasets, widths), indent=1, allow_nan=False).encode()
    path = Path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


def _keyed(config: SmearingConfig, datasets: Sequence[str], content: dict[str, Any]) -> dict[str, Any]:
    """Return `content` where the number of the muon is replaced by the word that stands for it, seed and data set."""
    slots = {0: 0, 1: 0 if config.mode == "shared" else 1}
    keyed = {}
    for dataset in datasets:
        words = {muon: float(correctionlib_key(config, dataset, slot)) for muon, slot in slots.items()}
        rule = _category("muon", words)
        keyed[dataset] = {"nodetype": "transform", "input": "muon", "rule": rule, "content": content}
    return _category("dataset", keyed)


def _category(name: str, content: Mapping[Any, Any]) -> dict[str, Any]:
    items = [{"key": key, "value": value} for key, value in content.items()]
    return {"nodetype": "category", "input": name, "content": items}


def _formula(expression: str, parameters: list[float]) -> dict[str, Any]:
    return {
        "nodetype": "formula",
        "expression": expression,
        "parser": "TFormula",
        "variables": ["pt"],
        "parameters": parameters,
    }


def _variable(name: str) -> dict[str, str]:
    return {"name": name, "type": _KINDS.get(name, "int"), "description": _TEXT[name]}


def _correction(name: str, description: str, inputs: Sequence[str], data: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "version": 1,
        "inputs": [_variable(each) for each in inputs],
        "output": {"name": name, "type": "real"},
        "data": data,
    }
