"""Optuna's own plots of a scan of hyperparameters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.support.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

TARGET = "AUC, validation events"
LEGEND = 16
"""Trials that a legend can name."""


def draw(storage: str, study_name: str, folder: str | os.PathLike[str]) -> list[Path]:
    """Draw the history of a study, its slices, its learning curves and, where it can be known, what mattered, as PNG.

    Parameters
    ----------
    storage, study_name : str
        URL of Optuna's storage and the name of the study in it.
    folder : path
        Gets `history.png`, `slice.png`, `curves.png` and `importance.png`. The last needs four complete trials, with
        different values.

    Returns
    -------
    list of Path
        What was drawn.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    import optuna
    from optuna.visualization import matplotlib as optuna_plots

    kinds: dict[str, Callable[[Any], Any]] = {
        "history": partial(optuna_plots.plot_optimization_history, target_name=TARGET),
        "slice": partial(optuna_plots.plot_slice, target_name=TARGET),
        "curves": optuna_plots.plot_intermediate_values,
    }
    opened = optuna.storages.RDBStorage(storage)
    try:
        study = optuna.load_study(study_name=study_name, storage=opened)
        values = [trial.value for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
        if len(values) >= 4 and len(set(values)) > 1:
            kinds["importance"] = partial(optuna_plots.plot_param_importances, target_name=TARGET)
        return [_draw(plot, study, Path(folder) / f"{name}.png") for name, plot in kinds.items()]
    finally:
        opened.remove_session()
        opened.engine.dispose()


def _draw(plot: Callable[[Any], Any], study: Any, path: Path) -> Path:
    """Let Optuna draw on a figure of pyplot, which is its way, without a window, and put the figure away again."""
    import matplotlib.pyplot as plt
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings(), plt.rc_context():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "Attempting to set identical")  # an axis of one value
        figure = np.ravel(np.asarray(plot(study), dtype=object))[0].figure
        try:
            figure.set_size_inches(max(8.0, 3.2 * len(figure.axes)), 5.0)
            for ax in figure.axes:
                _label(ax, study)
            with atomic_path(path) as temporary:
                figure.savefig(temporary, dpi=120, format="png", bbox_inches="tight", metadata={"Software": None})
        finally:
            plt.close(figure)
    return path


def _label(ax: Axes, study: Any) -> None:
    """Say what the numbers are, name the values of whole numbers, leave out a legend longer than the plot."""
    from matplotlib.ticker import NullFormatter

    known = {trial.params[ax.get_xlabel()] for trial in study.trials if ax.get_xlabel() in trial.params}
    if ax.get_xscale() == "log":
        ax.xaxis.set_minor_formatter(NullFormatter())
    if known and all(isinstance(value, int) for value in known):
        ax.set_xticks(sorted(known), [str(value) for value in sorted(known)])
    if ax.get_ylabel() == "Intermediate Value":
        ax.set(xlabel="Epoch", ylabel=TARGET)
        legend = ax.get_legend()
        if legend is not None and len(study.trials) > LEGEND:
            legend.remove()
