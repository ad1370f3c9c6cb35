"""Export: from trained modules to a model file. The one part of applying a network that needs torch."""

from __future__ import annotations

import copy
import io
import logging
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.deploy.model_card import SCORES, ModelCard, task_of
from zmumu_hybrid.deploy.model_file import OPSET, ModelFile, check_graph, check_model, require_onnx, seal, write_model
from zmumu_hybrid.deploy.session import checked, run_session
from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError, ZmumuError
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.nets.approximate_symmetry import find_joined
from zmumu_hybrid.nets.blocks import fold_batch_norm
from zmumu_hybrid.nets.presets import PRESETS
from zmumu_hybrid.support import provenance
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import sha256
from zmumu_hybrid.support.outputs import output_file
from zmumu_hybrid.training.data import Arrays, TrainingTable, describe_inputs, load, table_path
from zmumu_hybrid.training.ensemble import Ensemble, describe_network, load_ensemble
from zmumu_hybrid.training.inference import Inputs, forward, named_inputs, observables, observe, read
from zmumu_hybrid.training.measures import read_metrics, summarise

__all__ = ["TOLERANCE", "export", "export_run", "to_model"]

TOLERANCE = 1e-5
"""How far an exported model may be from torch: relative to the largest value of an output, if that is above 1."""

_CHECKED = 512

Events = dict[str, NDArray[Any]]
Data = str | os.PathLike[str] | TrainingTable
Run = str | os.PathLike[str] | Ensemble


def export(run: Run, output: str | os.PathLike[str], data: Data | None = None, **options: Any) -> tuple[Path, Path]:
    """Export an ensemble as a model file, with its card and its training events beside it.

    Parameters
    ----------
    run : path or Ensemble
        Folder of `zmumu train` or `zmumu_hybrid.train`, or networks that were trained in one's own way.
    output : path
        Name of the model file, ending in .onnx.
    data : path or TrainingTable, optional
        What it was trained on, for the ranges in the card where the run does not know them.
    network : callable, optional
        What makes a network, where a run is of a class of one's own.
    example : array_like or mapping of str to array_like, optional
        Some events as the networks take them, two or more, to check the model with; drawn ones by default.
    scalars : sequence of str, optional
        The fields of a collection that are the particle scalars, where the networks take some.

    Returns
    -------
    tuple of Path
        The model file and the card, ``NAME.card.json``. What the run was trained on is in
        ``NAME.training_events.parquet``.

    Raises
    ------
    MissingInputError, ModelError
        If the run is not there, not finished or corrupt; or the networks cannot be written as ONNX, or the model does
        not do what they do.
    ConfigurationError
        If it is not known what the networks take, and there is no example; or the output has another ending than .onnx,
        or is a file that is read.
    OutputError
        If the output is the file of something else, or is being written by another process.
    InputError
        If `data` is not what the run was trained on, or the example does not fit.
    MissingDependencyError
        If torch, onnx, onnxruntime or onnxscript is not installed.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> linear = nn.Linear(2, 1)
    >>> _ = nn.init.ones_(linear.weight), nn.init.zeros_(linear.bias)
    >>> x = np.array([[0.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    >>> zh.export(zh.Ensemble([nn.Sequential(linear, nn.Flatten(0))]), "sum.onnx", example=x)
    (PosixPath('sum.onnx'), PosixPath('sum.card.json'))
    >>> zh.Discriminant.load("sum.onnx").evaluate(x).score.round(4).tolist()
    [0.5, 0.8808]
    """
    reads = () if data is None or isinstance(data, TrainingTable) else (data,)
    with output_file(output, "export", reads, [Path(output).with_suffix(".card.json")]) as place:
        known = None if isinstance(run, Ensemble) else TrainingEvents.of_model(run)
        return write_model(export_run(run, data, **options), place, known)


def export_run(
    run: Run, data: Data | None = None, *, network: Callable[[], nn.Module] | None = None, **options: Any
) -> ModelFile:
    """Return an ensemble as a model, without writing it; arguments and errors as `export`."""
    ensemble = run if isinstance(run, Ensemble) else load_ensemble(run, network)
    if data is not None:
        ensemble.ranges = _measure(ensemble, data)
    if isinstance(run, Ensemble):
        return to_model(ensemble, **options)
    known = TrainingEvents.of_model(run)
    if known is not None:
        ensemble.data["training_events"] = known.summary()
    return to_model(ensemble, _metrics(Path(run)), **options)


def _measure(ensemble: Ensemble, data: Data) -> dict[str, Any]:
    """Return the ranges of the events that an ensemble was trained on."""
    training = ensemble.training
    if isinstance(data, TrainingTable):
        table, where, checksum = data, "the table", data.checksum()
    else:
        where, checksum = str(table_path(data)), sha256(table_path(data))
        table = load(data, fraction=training.fraction, seed=training.seed)
    if checksum != ensemble.data.get("sha256"):
        raise InputError(f"{where}: is not what the run was trained on, its checksum is another")
    return ranges.describe(observe(ensemble[0], table.inputs))


def _metrics(run: Path) -> dict[str, Any]:
    """Return the metrics of each member after its last epoch, summarised."""
    if not (run / "metrics.parquet").exists():
        return {}
    table = read_metrics(run / "metrics.parquet")
    member, epoch = table.pop("member"), table.pop("epoch")
    order = np.lexsort((epoch, member))
    last = order[np.append(np.diff(member[order]) != 0, True)]
    return {"epochs": int(epoch.max()), **{name: summarise(values[last].tolist()) for name, values in table.items()}}


def to_model(
    ensemble: Ensemble,
    metrics: dict[str, Any] | None = None,
    *,
    example: ArrayLike | Mapping[str, ArrayLike] | None = None,
    scalars: Sequence[str] = (),
) -> ModelFile:
    """Return an ensemble as a model, after comparing it with torch.

    `metrics` are for the card; the other arguments and errors are as `export`. The outputs of the model may differ from
    those of torch by `TOLERANCE`, or by what rounding explains: five times what torch's own output in single precision
    differs from that in double precision.
    """
    require("onnxruntime", "onnxscript")
    onnx, name, modules = require_onnx(), ensemble.name, [copy.deepcopy(module).cpu() for module in ensemble]
    inputs, events = _example(ensemble, example)
    given = {key: torch.from_numpy(values) for key, values in events.items()}
    where = "drawn events: give some of yours as example=" if example is None else "the example"
    expected = _expected(name, modules, given, where)
    if not expected["logits"].isfinite().all():
        raise ModelError(f"{name} gives logits that are not finite for {where}")
    model = _graph(name, _folded(modules, given, expected), given, list(expected))
    check_graph(onnx, model, f"{name} cannot be exported")
    described = describe_network(ensemble[0])
    known = (preset for preset, networks in PRESETS.items() if ensemble.config in networks.values())
    card = ModelCard(
        network=described,
        members=len(ensemble),
        task=task_of(inputs),
        inputs=inputs,
        outputs=describe_inputs({key: values.numpy() for key, values in expected.items()}),
        preset=next(known, None) if "network" in described else None,
        scalars=tuple(scalars),
        training={**asdict(ensemble.training), "stopped": ensemble.stopped},
        data=ensemble.data,
        metrics=metrics or {},
        limits=ensemble.ranges,
        check=_check(name, modules, model.SerializeToString(), events, expected),
        versions=provenance.versions(("numpy", "onnx", "onnxruntime", "onnxscript", "torch")),
        git_revision=provenance.git_revision(),
    )
    return check_model(onnx, seal(model, card).data, f"{name} cannot be exported")


def _example(ensemble: Ensemble, example: ArrayLike | Mapping[str, ArrayLike] | None) -> tuple[Arrays, Events]:
    """Return what the networks take, and events to compare with: those of the user, or drawn ones."""
    if example is None and not ensemble.inputs:
        raise ConfigurationError(
            f"{ensemble.name}: what its forward takes is not known: give example=, arrays of some events by the names "
            "of its arguments"
        )
    if example is None:
        return ensemble.inputs, _drawn(ensemble.inputs)
    given = example if isinstance(example, Mapping) else {"": example}
    events = {key: np.asarray(values)[:_CHECKED] for key, values in named_inputs(ensemble[0], given).items()}
    inputs = ensemble.inputs or describe_inputs(events)
    if any(len(values) < 2 for values in events.values()):
        raise InputError("example: two events or more are needed, as a model takes any number of them")
    return inputs, checked(inputs, events)


def _drawn(inputs: Arrays) -> Events:
    """Draw events of all sizes of momenta, always the same."""
    generator = np.random.Generator(np.random.PCG64(0))
    drawn: Events = {}
    for name, array in inputs.items():
        shape, kind = (_CHECKED, *array["shape"]), np.dtype(array["dtype"])
        if name == "p4" and len(shape) == 3 and shape[2] == 4:
            momenta = 10 ** generator.uniform(0.5, 2.5, (*shape[:2], 1)) * generator.normal(size=(*shape[:2], 3))
            mass = generator.uniform(0.0, 5.0, (*shape[:2], 1))
            values = np.concatenate([np.sqrt((momenta**2).sum(-1, keepdims=True) + mass**2), momenta], -1)
        elif name == "mask" and len(shape) == 2:
            values = np.arange(shape[1]) < generator.integers(1, shape[1] + 1, (_CHECKED, 1))
        elif kind.kind == "f":
            values = generator.uniform(0.0, 100.0, shape) if name == "context" else generator.normal(size=shape)
        else:
            values = generator.integers(0, 2, shape)
        drawn[name] = values.astype(kind)
    return drawn


def _compute(modules: Sequence[nn.Module], inputs: Inputs) -> Inputs:
    """Return what a model gives, by name: `SCORES` of all members, then the quantities whose ranges are known."""
    first, logits, factors = read(modules[0], inputs), [], []
    for module in modules:
        gated: list[Tensor] = []
        if joined := find_joined(module):
            hook = joined.gate.register_forward_hook(lambda _gate, _given, found, gated=gated: gated.append(found))  # type: ignore[union-attr]
        logits.append(forward(module, first))
        if joined:
            hook.remove()
        factors += [torch.softmax(gated[0], -1)] if gated else []
    found = {"logits": torch.stack(logits, 1)}
    found["scores"] = torch.sigmoid(found["logits"]) if logits[0].ndim == 1 else torch.softmax(found["logits"], -1)
    if factors:
        found["symmetry_factor"] = torch.stack(factors, 1)
    observed = observables(modules[0], inputs)
    if taken := observed.keys() & {*inputs, *SCORES}:
        raise ConfigurationError(
            f"{type(modules[0]).__name__}: observables: {min(taken)!r} is the name of something else"
        )
    return found | observed


def _expected(name: str, modules: Sequence[nn.Module], given: Inputs, where: str) -> Inputs:
    """Return what the networks give, with torch; `ModelError` if they do not give logits."""
    count = len(next(iter(given.values())))
    try:
        with _quiet(), torch.no_grad():
            logits = forward(modules[0], read(modules[0], given))
            shape = tuple(logits.shape)
            if logits.is_floating_point() and shape[:1] == (count,) and len(shape) <= 2 and 1 not in shape[1:]:
                return _compute(modules, given)
    except ZmumuError:
        raise
    except Exception as error:  # of a network that is not ours
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(f"{name} fails ({said[:300]}) for {where}") from error
    raise ModelError(
        f"{name}: its output for {count} events has the shape {shape} of {logits.dtype}: a real logit of each event is "
        f"needed, ({count},), or one of each of several classes, ({count}, K)"
    )


class _SideBySide(nn.Module):
    """The members of an ensemble as one module, whose outputs have an order in place of names."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(modules)

    def forward(self, inputs: Inputs) -> tuple[Tensor, ...]:
        return tuple(_compute(list(self.members), inputs).values())


def _folded(modules: Sequence[nn.Module], given: Inputs, expected: Inputs) -> Sequence[nn.Module]:
    """Return the networks without batch normalisation where that is possible, the same functions of the events."""
    folded = [fold_batch_norm(module) for module in modules]
    with torch.no_grad():
        found = _compute(folded, given)["logits"]
    same = _deviation(found.numpy(), expected["logits"].numpy()) < 1e-3
    return folded if same else modules


def _graph(name: str, modules: Sequence[nn.Module], inputs: Inputs, outputs: Sequence[str]) -> Any:
    """Return an `onnx.ModelProto` of the networks, for any number of events."""
    events = torch.export.Dim("events", min=1)
    shapes = ({key: {0: events} for key in inputs},)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(_SideBySide(modules).eval(), (inputs,), dynamic_shapes=shapes, strict=False)
            options: dict[str, Any] = {"opset_version": OPSET, "dynamo": True, "verbose": False}
            written: Any = torch.onnx.export(program, (), input_names=list(inputs), output_names=outputs, **options)
            model = written.model_proto
    except Exception as error:  # of all kinds
        raise ModelError(f"{name} cannot be exported: {_explained(error)}") from error
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        for notes in ("metadata_props", "doc_string"):  # where in which file it comes from
            each.ClearField(notes)
    graph.ClearField("value_info")
    graph.name = "discriminant"
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "events"
    model.ir_version = 8
    model.producer_name, model.producer_version = "zmumu-hybrid", provenance.versions(())["zmumu-hybrid"]
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what torch says of its own deprecations, of libraries that it does not need, and of errors."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _explained(error: BaseException) -> str:
    """Return what torch found, where, and what to do, on one line."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(ours)]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    while error.__cause__ is not None:
        error = error.__cause__
    operation = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", str(error))
    said = (
        f"ONNX has nothing for {operation[1]}" if operation else (str(error).splitlines() or [type(error).__name__])[0]
    )
    return (
        f"{said[:300]}{place}. Its forward must be made of operations of torch that ONNX has, for any number of "
        "events (x.shape[0], not len(x)), without `if`, loops and numbers (.item(), .numpy()) that depend on values"
    )


def _check(name: str, modules: Sequence[nn.Module], data: bytes, events: Events, expected: Inputs) -> dict[str, Any]:
    """Compare the model with torch, and an event alone with the same among others; `ModelError` if they differ."""
    found = run_session(data, events, list(expected))
    alone = run_session(data, {name: values[:1] for name, values in events.items()}, ["logits"])["logits"]
    if not _deviation(alone, found["logits"][:1]) <= TOLERANCE:
        raise ModelError(
            f"{name} cannot be exported: the score of an event depends on the others of its batch: a network "
            "must treat each by itself"
        )
    deviations = {output: _deviation(found[output], values.numpy()) for output, values in expected.items()}
    if not max(deviations.values()) <= TOLERANCE:
        exact = [copy.deepcopy(module).double() for module in modules]
        with torch.no_grad():
            exactly = _compute(exact, {key: torch.from_numpy(values) for key, values in events.items()})
        for output, deviation in deviations.items():
            rounding = _deviation(expected[output].numpy(), exactly[output].numpy())
            if not deviation <= max(TOLERANCE, 5 * rounding):
                raise ModelError(
                    f"the exported model's {output} differ from those of torch by {deviation:.2g}: not written"
                )
    return {"events": len(next(iter(events.values()))), **deviations}


def _deviation(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest difference, relative to the largest value if that is above 1; padding is NaN in both."""
    difference = np.where(np.isnan(found) & np.isnan(expected), 0.0, found - expected)
    return float(np.abs(difference).max() / max(np.abs(np.nan_to_num(expected)).max(), 1.0))
