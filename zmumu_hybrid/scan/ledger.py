"""The finished trials of a scan in Optuna's storage: written by one process, in the order of their numbers."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, quote_from_bytes

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.scan.space import AXES, Outcome, State, quiet
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import make_directory
from zmumu_hybrid.support.locations import is_address

__all__ = ["Ledger"]


class Ledger:
    """The trials of one scan, as an Optuna study that any of Optuna's tools can read.

    Attributes
    ----------
    url : str
        Of the storage.
    name : str
        Of the study: the model and a hash of the settings, so that one storage can hold many scans.
    study : optuna.Study
    """

    def __init__(self, url: str, name: str, study: Any) -> None:
        self.url, self.name, self.study = url, name, study

    @classmethod
    @contextmanager
    def open(cls, storage: str | None, folder: Path, settings: Mapping[str, Any]) -> Iterator[Ledger]:
        """Open the storage, a path or a URL (`folder/scan.db` by default), while the block runs.

        Raises
        ------
        ConfigurationError
            If it cannot be used as a storage of Optuna.
        MissingDependencyError
            If Optuna is not installed.
        """
        require("optuna")
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        url = storage if storage and is_address(storage) else _sqlite(Path(storage) if storage else folder / "scan.db")
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        name = f"{settings['model']['network']}-{key[:16]}"
        with ExitStack() as stack, quiet():
            try:
                opened = optuna.storages.RDBStorage(url)
                stack.callback(opened.engine.dispose)
                stack.callback(opened.remove_session)
                study = optuna.create_study(storage=opened, study_name=name, direction="maximize", load_if_exists=True)
            except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError, RuntimeError, ValueError) as error:
                said = " ".join(str(error).split("\n", maxsplit=1)[0].split())
                raise ConfigurationError(f"storage {url}: cannot be used by Optuna: {said}") from error
            yield cls(url, name, study)

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes of the trials 0, 1, 2, ... as far as there are; each number counts once."""
        found: dict[int, Outcome] = {}
        for trial in self.study.get_trials(deepcopy=False):
            known = trial.user_attrs
            if "number" in known and trial.state.is_finished():
                curve = [value for _, value in sorted(trial.intermediate_values.items())]
                outcome = Outcome(
                    dict(trial.params), cast(State, known["state"]), curve, known["members"], known["uncertainty"]
                )
                found.setdefault(known["number"], outcome)
        return [found[number] for number in itertools.takewhile(found.__contains__, itertools.count())]

    def add(self, number: int, outcome: Outcome, more: Mapping[str, Any]) -> None:
        """Add a finished trial, in one transaction; `more` goes to its attributes."""
        from optuna.distributions import FloatDistribution, IntDistribution
        from optuna.trial import TrialState, create_trial

        axes = {axis.name: axis for axis in AXES if axis.name in outcome.setting}
        kinds = {name: IntDistribution if axis.whole else FloatDistribution for name, axis in axes.items()}
        trial = create_trial(
            state=TrialState.COMPLETE if outcome.state == "complete" else TrialState.PRUNED,
            value=outcome.value,
            params=outcome.setting,
            distributions={name: kinds[name](axis.values[0], axis.values[-1], log=True) for name, axis in axes.items()},
            intermediate_values=dict(enumerate(outcome.curve, 1)),
            user_attrs={
                "number": number,
                "state": outcome.state,
                "members": outcome.members,
                "uncertainty": outcome.uncertainty,
                **more,
            },
        )
        with quiet():
            self.study.add_trial(trial)


def _sqlite(path: Path) -> str:
    path = path.resolve()
    make_directory(path.parent)
    if str(path).isascii() and not set(str(path)) & set("?%#"):
        return f"sqlite:///{path}"
    from sqlalchemy import make_url

    quoted = quote_from_bytes(os.fsencode(path))
    if make_url("sqlite:///%25").database == "%":  # newer versions take one layer of quotes off before SQLite does
        quoted = quote(quoted)
    return f"sqlite:///file:{quoted}?uri=true"
