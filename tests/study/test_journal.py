from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from zmumu_hybrid.errors import InputError, OutputError
from zmumu_hybrid.execution.tasks import TaskPool
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.study.journal import Journal, Stage


def run(root: Path, settings: dict[str, Any], needs: tuple[str, ...] = ()) -> list[str]:
    """Run a two-stage study and return what was announced."""
    said: list[str] = []
    journal = Journal(root, lambda name, state, _seconds: said.append(f"{name} {state}"))

    def first() -> dict[str, Any]:
        (root / "first.txt").write_text(str(settings))
        return {"length": len(str(settings))}

    def second() -> dict[str, Any]:
        (root / "second.txt").write_text((root / "first.txt").read_text() * 2)
        return {}

    assert journal.do("first", first, settings=settings, outputs=["first.txt"])["length"] == len(str(settings))
    journal.do("second", second, settings={}, outputs=["second.txt"], needs=["first", *needs])
    return said


def test_finished_stages_are_skipped(tmp_path: Path) -> None:
    assert run(tmp_path, {"seed": 1}) == ["first start", "first done", "second start", "second done"]
    assert run(tmp_path, {"seed": 1}) == ["first skip", "second skip"]


def test_a_changed_setting_runs_the_stage_and_all_that_needs_it(tmp_path: Path) -> None:
    run(tmp_path, {"seed": 1})
    assert run(tmp_path, {"seed": 2}) == ["first start", "first done", "second start", "second done"]


@pytest.mark.parametrize("content", [None, "changed"])
def test_a_lost_or_changed_output_is_made_again(tmp_path: Path, content: str | None) -> None:
    run(tmp_path, {"seed": 1})
    output = tmp_path / "second.txt"
    output.unlink()
    if content is not None:
        output.write_text(content)
    assert run(tmp_path, {"seed": 1}) == ["first skip", "second start", "second done"]
    assert output.read_text() != content


def test_a_broken_record_is_no_record(tmp_path: Path) -> None:
    run(tmp_path, {"seed": 1})
    (tmp_path / "stages" / "first.json").write_text('{"fingerprint": ')
    assert run(tmp_path, {"seed": 1}) == ["first start", "first done", "second skip"]


def test_a_stage_that_fails_leaves_no_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ZeroDivisionError):
        journal.do("bad", lambda: {"value": 1 / 0}, settings={}, outputs=[])
    assert not list((tmp_path / "stages").glob("*.json"))


def test_a_stage_that_is_run_anew_finds_nothing_of_the_old_one(tmp_path: Path) -> None:
    """But what the same stage has left where it was interrupted, so that it goes on there."""

    def do(settings: int, stop: bool = False) -> list[str]:
        def action() -> dict[str, Any]:
            found = sorted(path.name for path in (tmp_path / "run").glob("*"))
            (tmp_path / "run").mkdir(exist_ok=True)
            (tmp_path / "run" / "checkpoint").touch()
            if stop:
                raise KeyboardInterrupt
            (tmp_path / "run" / "weights").write_text("1")
            return {"found": found}

        outputs = ["run/weights"]
        return list(Journal(tmp_path).do("a", action, settings={"x": settings}, outputs=outputs, folder="run")["found"])

    with pytest.raises(KeyboardInterrupt):
        do(1, stop=True)
    assert do(1) == ["checkpoint"]
    (tmp_path / "run" / "weights").unlink()
    assert do(1) == []
    assert do(2) == []
    with pytest.raises(KeyboardInterrupt):
        do(1, stop=True)
    assert do(2) == []
    assert Journal(tmp_path).stored()["a"].result == {"found": []}


def test_a_stage_that_does_not_write_its_output_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nothing\.txt: the stage lazy ended without having written"):
        Journal(tmp_path).do("lazy", dict, settings={}, outputs=["nothing.txt"])


def write_square(root: Path, number: int) -> dict[str, Any]:
    """Do a stage that can be sent to a worker."""
    if number < 0:
        raise InputError(f"{number} is negative")
    (root / f"{number}.txt").write_text(str(number**2))
    return {"square": number**2}


def squares(root: Path, numbers: list[int]) -> list[Stage]:
    return [
        Stage(f"square-{n}", partial(write_square, root, n), settings={"n": n}, outputs=[f"{n}.txt"]) for n in numbers
    ]


@pytest.mark.parametrize("workers", [Workers(), Workers("futures", 2)], ids=["iterative", "futures"])
def test_stages_on_workers_are_recorded_as_here(tmp_path: Path, workers: Workers) -> None:
    said: list[str] = []
    journal = Journal(tmp_path, lambda name, state, _seconds: said.append(f"{name} {state}"))
    with TaskPool(workers, tmp_path) as pool:
        journal.do_all(squares(tmp_path, [2, 3]), pool)
    assert {name: record.result for name, record in journal.records.items()} == {
        "square-2": {"square": 4},
        "square-3": {"square": 9},
    }
    assert {"square-2 done", "square-3 done"} <= set(said)
    said.clear()
    again = Journal(tmp_path, lambda name, state, _seconds: said.append(f"{name} {state}"))
    again.do_all(squares(tmp_path, [2, 3]), TaskPool(workers, tmp_path))  # nobody is called for nothing
    assert said == ["square-2 skip", "square-3 skip"]
    said.clear()
    with TaskPool(workers, tmp_path) as pool, pytest.raises(InputError, match=r"-1 is negative"):
        again.do_all(squares(tmp_path, [5, -1]), pool)
    assert not (tmp_path / "stages" / "square--1.json").exists()


def test_a_stage_on_a_worker_that_fails_is_named(tmp_path: Path) -> None:
    with (
        TaskPool(Workers("futures", 1), tmp_path) as pool,
        pytest.raises(InputError, match=r"^square--1: -1 is negative$"),
    ):
        Journal(tmp_path).do_all(squares(tmp_path, [-1]), pool)
