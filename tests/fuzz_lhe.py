"""Hold the compiled reader of event files against the reference on many damaged files.

    python tests/fuzz_lhe.py --count 1000000 --seed 1

Every mutant is read by both, the compiled one in pieces of random size: either the events are the same bit for bit,
or both refuse the file and name the same event. The first difference is written to `fuzz-failure.lhe` and ends it.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from lhe_mutations import bases, compare, mutant


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the reader of event files.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    starts = bases()
    outcomes: Counter[str] = Counter()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as directory:
        path = Path(directory) / "mutant.lhe"
        for done in range(1, arguments.count + 1):
            data = mutant(rng, starts)
            piece = rng.choice((40, 100, 500, 4096, 1 << 20))
            chunk = rng.choice((None, 1, 2, 50))
            weights = rng.choice(("strict", "strict", "fill", "skip"))
            try:
                outcomes[compare(data, path, piece, chunk, weights)] += 1
            except BaseException:
                Path("fuzz-failure.lhe").write_bytes(data)
                print(f"mutant {done}, pieces of {piece} bytes, {chunk} events a chunk, weights {weights}")
                raise
            if done % 10_000 == 0 or done == arguments.count:
                rate = done / (time.perf_counter() - begin)
                print(f"{done:,} mutants: {dict(outcomes)}, {rate:.0f} a second", flush=True)


if __name__ == "__main__":
    main()
