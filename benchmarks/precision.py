"""What bfloat16 costs in AUC: `python benchmarks/precision.py DATA [EVALUATION] [--members 5] [--epochs 10]`.

DATA is a directory of `zmumu process`; EVALUATION another one, of independent events (without it the held-out events of
DATA are used). Each of the paper's networks is trained in float32 and with bfloat16 products. Member k has the same
initialisation and the same order of events in both, and both are measured on the same events, so that the difference is
taken member by member; its uncertainty is that of the mean over members.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.jobs.evaluate import evaluate
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.training.config import TrainingConfig

PRECISIONS = ("float32", "bfloat16")


def trained(model: str, data: Path, evaluation: Path, settings: TrainingConfig) -> tuple[NDArray[np.float64], float]:
    """Return the AUC of every member, and the seconds that the training took."""
    with tempfile.TemporaryDirectory() as run:
        seconds = train(preset(model), data, run, settings, show_progress=True).seconds
        return np.array(evaluate(run, evaluation)["metrics"]["auc"]["members"]), seconds


def of_mean(values: NDArray[np.float64]) -> str:
    uncertainty = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):+.5f} ± {uncertainty:.5f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("evaluation", type=Path, nargs="?")
    parser.add_argument("--models", nargs="+", default=["hybrid", "pfn"])
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(
        f"{'':10s} {'float32':>18s} {'bfloat16':>18s} {'difference of the mean':>24s} {'largest':>9s} {'seconds':>13s}"
    )
    for model in given.models:
        found = {}
        for precision in PRECISIONS:
            settings = TrainingConfig(
                members=given.members,
                epochs=given.epochs,
                learning_rate=given.learning_rate,
                precision=precision,
                seed=given.seed,
            )
            found[precision] = trained(model, given.data, given.evaluation or given.data, settings)
        (whole, slow), (narrow, fast) = (found[precision] for precision in PRECISIONS)
        sides = " ".join(f"{np.mean(side):9.4f} ± {np.std(side, ddof=1):.4f}" for side in (whole, narrow))
        largest = np.abs(narrow - whole).max()
        print(f"{model:10s} {sides} {of_mean(narrow - whole):>24s} {largest:9.5f} {slow:6.1f} {fast:6.1f}")


if __name__ == "__main__":
    main()
