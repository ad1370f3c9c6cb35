from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from toyfiles import lhe_event, toy_lhe_events, toy_root, write_lhe
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.cli import main
from zmumu_hybrid.cli.options import spread_values
from zmumu_hybrid.errors import OutputError
from zmumu_hybrid.jobs.process import OUTPUTS, process

DATA = Path(__file__).parents[1] / "data"


class Answer:
    """What a command said and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    def one_error(self) -> str:
        """Return the one line of an error, after checking that there is nothing else."""
        assert self.status == 1, self.err
        assert self.out == ""
        assert self.err.startswith("zmumu: error: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("zmumu: error: ").rstrip()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Return a function that runs `zmumu process` in this process, in an empty directory, writing to `out`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZMUMU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: object, output: str = "out") -> Answer:
        monkeypatch.setattr(sys, "argv", ["zmumu", "process", *map(str, arguments), "--output", output])
        capfd.readouterr()
        status = 0
        try:
            main.main()
        except SystemExit as error:
            status = int(error.code or 0)
        return Answer(status, *capfd.readouterr())

    return command


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_madgraph_events(run, tmp_path: Path) -> None:
    answer = run("--signal", DATA / "madgraph-Zll-ckkwl.lhe.gz")
    assert answer.status == 0, answer.err
    assert answer.err == ""
    rows = {" ".join(line.split()[:-1]): line.split()[-1] for line in answer.out.splitlines()}
    assert rows["events"] == "150"
    assert rows["pairs"] == "77"
    assert answer.out.splitlines()[-1].startswith("1 file, 150 events, 77 pairs in ")
    assert answer.out.splitlines()[-1].endswith(" events/s); results in out")
    assert names(tmp_path / "out") == sorted(set(OUTPUTS) - {"reweighting.json"})


def test_a_file_of_electrons_has_no_pair(run, tmp_path: Path) -> None:
    said = run("--signal", DATA / "powheg-Zee.lhe").one_error()
    assert said.startswith(f"{DATA / 'powheg-Zee.lhe'}: no event has a muon pair")
    assert not (tmp_path / "out").exists()


def test_signal_and_background_from_several_files(run, tmp_path: Path) -> None:
    files = [toy_root(tmp_path / f"{seed}.root", 400, seed, resonance=seed < 2) for seed in range(4)]
    answer = run("--signal", *files[:2], "--background", files[2], "--background", files[3], "--reweighting-bins", 5)
    assert answer.status == 0, answer.err
    assert answer.out.splitlines()[0].split() == ["signal", "background"]
    assert names(tmp_path / "out") == sorted(OUTPUTS)


def test_data_from_a_flat_tree(run, tmp_path: Path) -> None:
    declared = DATA.parents[1] / "examples" / "branches" / "cms-dimuon.toml"
    answer = run("--data", DATA / "zmumu-tree.root", "--branches", declared)
    assert answer.status == 0, answer.err
    assert answer.out.splitlines()[0].split() == ["data"]
    rows = {" ".join(line.split()[:-1]): line.split()[-1] for line in answer.out.splitlines()}
    numbers = {"rows": "2,304", "selected rows": "516", "events": "500", "opposite charge": "500", "pairs": "500"}
    assert {name: rows[name] for name in numbers} == numbers
    assert names(tmp_path / "out") == sorted(set(OUTPUTS) - {"reweighting.json"})
    steps = json.loads((tmp_path / "out" / "process.json").read_text())["cutflow"]["data"]
    assert {name: f"{number:,}" for name, number in steps.items()} == {name: rows[name] for name in steps}


@pytest.mark.parametrize(("muons", "pairs"), [("Muon", "6"), ("GenPart", "11"), ("LHEPart", "9")])
def test_the_muons_of_nanoaod(run, muons: str, pairs: str) -> None:
    answer = run("--signal", DATA / "nano_dy.root", "--muons", muons)
    assert answer.status == 0, answer.err
    rows = {" ".join(line.split()[:-1]): line.split()[-1] for line in answer.out.splitlines()}
    assert (rows["events"], rows["pairs"]) == ("40", pairs)


@pytest.mark.parametrize("pair", ["leading", "closest-to-z"])
def test_the_pair_of_several_muons(run, tmp_path: Path, pair: str) -> None:
    muons = ((-13, 100, 0, 0, 0), (-13, 50, 0, 0, 0), (13, -40, 0, 0, 0), (13, -20, 0, 0, 0))
    same_sign = ((13, 60, 0, 0, 0), (13, -50, 0, 0, 0))
    leading_same_sign = ((-13, 80, 0, 0, 0), (-13, -70, 0, 0, 0), (13, -25, 1, 0, 0))
    path = write_lhe(tmp_path / "a.lhe", [lhe_event(*each) for each in (muons, same_sign, leading_same_sign)])
    answer = run("--signal", path, "--pair", pair, "--smearing", "none")
    assert answer.status == 0, answer.err
    rows = {" ".join(line.split()[:-1]): line.split()[-1] for line in answer.out.splitlines()}
    assert [rows[step] for step in ("events", "two muons", "opposite charge", "pairs")] == ["3", "3", "2", "2"]
    masses = candidates.read(tmp_path / "out" / "candidates.parquet", ["mass"])["mass"]
    exact = {"leading": (2 * np.sqrt(100 * 40), 89.45), "closest-to-z": (2 * np.sqrt(100 * 20), 89.45)}[pair]
    assert sorted(masses) == pytest.approx(sorted(exact), abs=0.05)


def test_inputs_that_do_not_go_together(run, tmp_path: Path) -> None:
    file = toy_root(tmp_path / "a.root", 5)
    (tmp_path / "bad.toml").write_text('kind = "pair"\ncolor = "red"\n')
    for arguments, message in (
        ((), "no signal file is given: at least one is needed, or data"),
        (("--signal", file, "--data", file), "data and signal are given"),
        (("--data", file, "--branches", "bad.toml"), "bad.toml: unknown key color; there are kind"),
        (("--data", file, "--branches", "none.toml"), "none.toml: no such file"),
        (("--data", DATA / "zmumu-tree.root"), "declare these with --branches"),
    ):
        assert message in run(*arguments).one_error()
        assert not (tmp_path / "out").exists()


def test_a_value_that_is_not_a_choice_is_refused(run, tmp_path: Path) -> None:
    answer = run("--signal", toy_root(tmp_path / "a.root", 5), "--executor", "parsl")
    assert answer.status == 2
    assert "'parsl' is not one of" in answer.err


def nan_momentum(text: str) -> str:
    lines = text.splitlines(keepends=True)
    fields = lines[3].split()
    fields[7] = "nan"
    return "".join([*lines[:3], " ".join(fields) + "\n", *lines[4:]])


def test_bad_input_is_one_line_that_names_the_file_and_leaves_nothing(run, tmp_path: Path) -> None:
    def bad(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    texts = toy_lhe_events(30)
    whole = write_lhe(tmp_path / "whole.lhe", texts)
    text = whole.read_bytes()
    madgraph = (DATA / "madgraph-Zll-ckkwl.lhe.gz").read_bytes()
    copy = tmp_path / "copy.lhe"
    shutil.copy(whole, copy)
    cases = {
        "missing": ([tmp_path / "missing.lhe"], "missing.lhe: no such file"),
        "empty": ([bad("empty.lhe", b"")], "empty.lhe: the file is empty"),
        "truncated gz": (
            [bad("cut.lhe.gz", madgraph[: len(madgraph) // 2])],
            "cut.lhe.gz: line 912: the gz data end too early, inside event 51, before its </event>: the file is",
        ),
        "truncated": ([bad("cut.lhe", text[: len(text) // 2])], "the file ends inside event 15"),
        "not LHE": ([bad("letter.lhe", b"Dear Sir or Madam,\n")], "letter.lhe: not an LHE, ROOT or Parquet file"),
        "NaN": (
            [write_lhe(tmp_path / "nan.lhe", [*texts[:7], nan_momentum(texts[7]), *texts[8:]])],
            "nan.lhe: event 8, line 44: py of particle 2",
        ),
        "one muon": ([write_lhe(tmp_path / "one.lhe", [lhe_event((13, 30, 0, 5, 0))])], "one.lhe: no event has a muon"),
        "twice": ([whole, whole], "whole.lhe (signal): is given twice"),
        "same content": ([whole, copy], "copy.lhe (signal): is the same file as"),
        "both classes": ([whole, "--background", whole], "whole.lhe (background): is given twice"),
    }
    for case, (arguments, message) in cases.items():
        said = run("--signal", *arguments).one_error()
        assert message in said, (case, said)
        assert not (tmp_path / "out").exists(), case


def test_output_that_cannot_be_written(run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    source = toy_root(tmp_path / "a.root", 5)
    for output in ("taken", "taken/out"):
        assert "taken" in run("--signal", source, output=output).one_error()
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission(run, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "closed" in run("--signal", toy_root(tmp_path / "a.root", 5), output="closed").one_error()


def test_a_real_process_ends_with_one_line(tmp_path: Path) -> None:
    zmumu = Path(sys.executable).with_name("zmumu")
    command = [str(zmumu), "process", "--signal", "missing.root", "--output", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "zmumu: error: missing.root: no such file\n"
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [
        (signal.SIGINT, 130, "zmumu: interrupted"),
        (signal.SIGTERM, 143, "zmumu: terminated"),
        (signal.SIGKILL, -9, None),
    ],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_an_interrupted_run_can_be_run_again(run, tmp_path: Path, number: int, status: int, says: str | None) -> None:
    file = toy_root(tmp_path / "a.root", 5000)
    arguments = ("--signal", file, "--output", "out", "--executor", "futures", "--workers", 2, "--chunksize")
    # What a shell starts with `&` ignores SIGINT, and so does all that it starts: Ctrl-C is heard as at a terminal.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from zmumu_hybrid.cli.main import main; sys.argv[0] = 'zmumu'; main()"
    )
    command = [sys.executable, "-c", code, "process", *map(str, (*arguments, 10))]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        while not (begun := list(tmp_path.glob("out/.partial-*/parts/*"))) and running.poll() is None:
            time.sleep(0.05)
        with pytest.raises(OutputError, match=f"out: is being written by process {running.pid} on .* since .*: wait"):
            process([file], [], tmp_path / "out", show_progress=False)
        with contextlib.suppress(ProcessLookupError):
            # A batch system's SIGTERM reaches the command alone, a terminal's Ctrl-C its whole group.
            (os.kill if number == signal.SIGTERM else os.killpg)(running.pid, number)
        _, err = running.communicate()
    assert begun, err
    assert running.returncode == status, err
    if says is not None:
        assert err.count("\n") == 1, err
        assert err.startswith(says)
        assert not (tmp_path / "out").exists()
    else:
        assert not any((tmp_path / "out" / name).exists() for name in OUTPUTS)
    assert run("--signal", file).status == 0
    assert names(tmp_path / "out") == sorted(set(OUTPUTS) - {"reweighting.json"})


def test_help_is_quick_and_loads_no_coffea() -> None:
    code = (
        "import sys; from zmumu_hybrid.cli.main import main; sys.argv = ['zmumu', 'process', '--help']\n"
        "try: main()\n"
        "finally: assert not {'coffea', 'awkward', 'pyarrow', 'uproot', 'numpy'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--signal" in done.stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--signal", "a", "b"], ["--signal", "a", "--signal", "b"]),
        (["--signal", "a", "--signal", "b", "c"], ["--signal", "a", "--signal", "b", "--signal", "c"]),
        (
            ["--seed", "1", "--signal", "a", "b", "-o", "x"],
            ["--seed", "1", "--signal", "a", "--signal", "b", "-o", "x"],
        ),
        (["--signal", "-", "a"], ["--signal", "-", "--signal", "a"]),
        (["x", "y"], ["x", "y"]),
    ],
)
def test_options_with_many_values_are_spread(given: list[str], expected: list[str]) -> None:
    assert list(spread_values(given, ["--signal"])) == expected
