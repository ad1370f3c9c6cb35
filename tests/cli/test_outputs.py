"""What commands write: never over an input, never over another command's file, never two at once, never half of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

import zmumu_hybrid as zh
from commands import done as zmumu
from commands import zmumu as outcome_of
from killing import forked
from learned import toy_columns, write
from toyfiles import toy_lhe_events, toy_root, write_lhe
from zmumu_hybrid.cli.main import Terminated
from zmumu_hybrid.errors import ConfigurationError, InputError, MissingInputError, OutputError
from zmumu_hybrid.support.files import atomic_path, sha256, write_json
from zmumu_hybrid.support.outputs import output_file, output_folder, reading, staged, write_mark
from zmumu_hybrid.support.scratch import hold, scratch_directory


def contents(folder: Path) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): sha256(path) for path in found}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands read: event files, a processed sample, a run, a model file, files of settings."""
    folder = tmp_path_factory.mktemp("world")
    for seed, name in enumerate(("signal", "background")):
        toy_root(folder / f"{name}.root", 200, seed)
    write_lhe(folder / "events.lhe", toy_lhe_events(5))
    zmumu("process", "--signal", folder / "signal.root", "--background", folder / "background.root",
          "--output", folder / "table", "--reweighting-bins", 5)  # fmt: skip
    zmumu("train", "pfn", "--data", folder / "table", "--members", 1, "--epochs", 1, "--output", folder / "run")
    zmumu("export", folder / "run", "--output", folder / "model.onnx")
    (folder / "branches.toml").write_text('kind = "collection"\n')
    (folder / "wide.toml").write_text("[training]\nepochs = 1\n")
    return folder


SPELLINGS: dict[str, Callable[[Path, Path, str], Path]] = {
    "plain": lambda victim, _folder, _name: victim,
    "dots": lambda victim, _folder, _name: victim.parent / ".." / victim.parent.name / victim.name,
    "relative": lambda victim, folder, _name: Path(os.path.relpath(victim, folder)),
    "link": lambda victim, folder, name: _made(os.symlink, victim, folder / name),
    "hard link": lambda victim, folder, name: _made(os.link, victim, folder / name),
    "folder link": lambda victim, folder, _name: _made(os.symlink, victim.parent, folder / "there") / victim.name,
}


def _made(make: Callable[[Path, Path], None], victim: Path, link: Path) -> Path:
    make(victim, link)
    return link


COMMANDS: dict[str, tuple[list[str], str]] = {
    "apply": (["apply", "model.onnx", "--input", "signal.root", "--branches", "branches.toml"], "out.root"),
    "export": (["export", "run"], "out.onnx"),
    "limit": (["limit", "--data", "table"], "out.json"),
    "evaluate": (["evaluate", "run", "--data", "table"], "out.json"),
    "convert": (["convert", "events.lhe"], "out.root"),
    "generate": (["generate", "signal", "--events", "5"], "out.lhe"),
    "export-smearing": (["export-smearing"], "out.json"),
}
"""Each command that writes a file, with what it reads, and a name that its output may have."""

FOLDERS: dict[str, list[str]] = {
    "process": ["process", "--signal", "signal.root", "--background", "background.root"],
    "analyse": ["analyse", "--signal", "signal.root", "--background", "background.root"],
    "train": ["train", "pfn", "--data", "table", "--members", "1", "--epochs", "1"],
    "scan": ["scan", "pfn", "--data", "table", "--trials", "1"],
    "plot": ["plot", "table"],
    "reproduce": ["reproduce"],
}
"""Each command that writes a folder."""


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_file_that_is_read_or_of_another_kind_is_replaced(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, spelling: str
) -> None:
    """Whatever the output is called: all files of the world stay as they are, byte for byte."""
    before = contents(world)
    arguments, name = COMMANDS[command]
    own = {"export": "model.onnx"}.get(command)
    for number, victim in enumerate(sorted(path for path in world.rglob("*") if path.is_file())):
        if victim.name == own or (spelling == "hard link" and victim.suffix == ".toml"):  # another name for a text
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        there = [str(world / each) if (world / each).exists() else each for each in arguments]
        with pytest.raises((ConfigurationError, OutputError), match="name"):
            zmumu(*there, "--output", SPELLINGS[spelling](victim, folder, name))
    assert contents(world) == before


@pytest.mark.parametrize("spelling", ["plain", "link", "hard link", "dots"])
def test_an_output_that_is_an_input_is_named_as_that(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(world)
    for arguments, victim in (
        (["apply", "model.onnx", "--input", "signal.root"], "signal.root"),
        (["apply", "model.onnx", "--input", "signal.root"], "model.onnx"),
        (["convert", "events.lhe"], "events.lhe"),
        (["evaluate", "run", "--data", "table/candidates.parquet"], "table/candidates.parquet"),
        (["export", "run", "--data", "table/candidates.parquet"], "table/candidates.parquet"),
    ):
        output = SPELLINGS[spelling](world / victim, tmp_path, f"{arguments[0]}-{Path(victim).name}")
        with pytest.raises(ConfigurationError, match=r"is to be both read and written.*: give the output another name"):
            zmumu(*arguments, "--output", output)


def test_folders_are_not_written_over_what_is_read_or_others_wrote(world: Path, tmp_path: Path) -> None:
    table = shutil.copytree(world / "table", tmp_path / "table")
    before = contents(tmp_path)
    process = ["process", "--signal", world / "signal.root", "--output", table]
    with pytest.raises(ConfigurationError, match=r"reweighting\.json: is to be both read and written: give"):
        zmumu(*process, "--background", world / "background.root", "--reweighting", table / "reweighting.json")
    with pytest.raises(ConfigurationError, match=r"histograms\.root: is to be both read and written"):
        zmumu("process", "--signal", table / "histograms.root", "--output", table)
    analyse = ["analyse", "--signal", world / "signal.root", "--background", world / "background.root"]
    with pytest.raises(OutputError, match=r"histograms\.json: was not written by `zmumu analyse`: name another output"):
        zmumu(*analyse, "--trained-on", table, "--output", table)
    assert contents(tmp_path) == before
    for command, name in (("train", "metrics.parquet"), ("process", "histograms.root"), ("reproduce", "summary.json")):
        mine = tmp_path / command
        mine.mkdir()
        (mine / name).write_text("precious")
        with pytest.raises(OutputError, match=rf"{name}: was not written by `zmumu {command}`: name another output"):
            zmumu(*(str(world / each) if (world / each).exists() else each for each in FOLDERS[command]), "-o", mine)
        assert contents(mine).keys() == {name}


def test_devices_and_wrong_endings_are_refused(world: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(OutputError, match=r"pipe\.json: was not written by"):
        zmumu("export-smearing", "--output", tmp_path / "pipe.json")
    for command, (arguments, name) in COMMANDS.items():
        there = [str(world / each) if (world / each).exists() else each for each in arguments]
        for wrong in (Path(name).stem, f"{name}.txt", "out.pq"):
            with pytest.raises(ConfigurationError, match="must end in"):
                zmumu(*there, "--output", tmp_path / wrong)
        (tmp_path / name).mkdir()
        with pytest.raises(OutputError, match="is a directory"):
            zmumu(*there, "--output", tmp_path / name)
        (tmp_path / name).rmdir()
        assert [path.name for path in tmp_path.iterdir()] == ["pipe.json"], command


def test_what_a_command_wrote_it_writes_again_also_through_a_link(world: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for command in ("apply", "export", "convert", "export-smearing", "generate", "limit", "evaluate"):
        arguments, name = COMMANDS[command]
        there = [str(world / each) if (world / each).exists() else each for each in arguments if "branches" not in each]
        place = tmp_path / "disk" / f"{command}{Path(name).suffix}"
        if command in ("limit", "evaluate"):  # what they write is long to compute
            write_json(place, {"auc": 0.8} if command == "limit" else {"run": "run"})
            with output_file(place, command):
                continue
        zmumu(*there, "--output", place)
        first = contents(tmp_path / "disk")
        link = tmp_path / place.name
        link.symlink_to(place)
        zmumu(*there, "--output", link)
        assert link.is_symlink()
        assert contents(tmp_path / "disk").keys() == first.keys()


def test_the_second_of_two_commands_is_told_who_is_first(world: Path, tmp_path: Path) -> None:
    said = rf"is being written by process {os.getpid()} on .* since \d+.*\(.*\): wait for its end, or name another"
    for command, (arguments, name) in COMMANDS.items():
        there = [str(world / each) if (world / each).exists() else each for each in arguments]
        link = tmp_path / f"{command}{Path(name).suffix}"
        link.symlink_to(tmp_path / name)
        with output_file(tmp_path / name, command), pytest.raises(OutputError, match=said):
            Context().run(zmumu, *there, "--output", link)
    for arguments in FOLDERS.values():
        there = [str(world / each) if (world / each).exists() else each for each in arguments]
        with output_folder(tmp_path / "out", "plot"), pytest.raises(OutputError, match=said):
            Context().run(zmumu, *there, "--output", tmp_path / ".." / tmp_path.name / "out")
    assert not [path for path in tmp_path.iterdir() if not path.is_symlink()]


def test_functions_hold_their_outputs_as_commands_do(world: Path, tmp_path: Path) -> None:
    """Others are refused; who holds it already, as a command that calls a function, is not."""
    options, settings = zh.ProcessOptions(reweighting_bins=5), zh.TrainingConfig(members=1, epochs=1)
    files = [world / "signal.root"], [world / "background.root"]
    calls: dict[str, Callable[[Path], Any]] = {
        "train": lambda place: zh.train("pfn", world / "table", place, settings),
        "process": lambda place: zh.process(*files, place, options, show_progress=False),
        "analyse": lambda place: zh.analyse({"signal": files[0]}, place, show_progress=False),
        "apply": lambda place: zh.apply(world / "model.onnx", files[0], place, show_progress=False),
        "export": lambda place: zh.export(world / "run", place),
    }
    for command, call in calls.items():
        place = tmp_path / f"{command}{Path(COMMANDS[command][1]).suffix if command in COMMANDS else ''}"
        with (output_file if command in COMMANDS else output_folder)(place, command):
            with pytest.raises(OutputError, match=r"is being written by process \d+"):
                Context().run(call, place)
            call(place)
        assert place.exists()
        assert not list(tmp_path.rglob(".partial-*"))
    with pytest.raises(ConfigurationError, match="must end in"):
        zh.apply(world / "model.onnx", files[0], tmp_path / "scores.txt")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "metrics.parquet").write_text("precious")
    with pytest.raises(OutputError, match=r"metrics\.parquet: was not written by `zmumu train`"):
        zh.train("pfn", world / "table", tmp_path / "mine", settings)


def test_outputs_beside_each_other_do_not_hinder(tmp_path: Path) -> None:
    names = ("a.json", "b.json")
    with output_file(tmp_path / names[0], "limit"), output_file(tmp_path / names[1], "limit"):  # noqa: SIM117
        with output_folder(tmp_path, "plot"):
            write_json(tmp_path / "a.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def dead(folder: Path) -> None:
    """Leave what kills have left, of this version and of former ones."""
    for name in (".partial-1", ".partial-2"):
        (folder / name).mkdir(parents=True)
        (folder / name / "big.root").write_text("half")
    (folder / ".partial-1" / ".lock").touch()
    (folder / ".partial-3scores.root").write_text("half")


def test_what_dead_processes_left_is_swept_and_the_work_of_living_ones_is_not(world: Path, tmp_path: Path) -> None:
    places = [tmp_path / "out", tmp_path / "out" / "checkpoints", tmp_path / "cache", tmp_path / "files"]
    for place in places:
        dead(place)
    process = ["process", "--signal", world / "events.lhe", "--cache", tmp_path / "cache", "--output", tmp_path / "out"]
    with scratch_directory(tmp_path / "out") as mine, scratch_directory(tmp_path / "cache") as other:
        zmumu(*process)
        zmumu("export-smearing", "--output", tmp_path / "files" / "x.json")
        with atomic_path(tmp_path / "out" / "checkpoints" / "x") as temporary:
            temporary.touch()
        assert {path for place in places for path in place.glob(".partial-*")} == {mine, other}
    assert not list(tmp_path.rglob(".partial-*"))


@pytest.fixture(scope="module")
def old_and_new(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """An output that is replaced by another one, as a kill at each step on the disk would leave it."""
    folder = tmp_path_factory.mktemp("kills")
    shutil.copytree(world / "table", folder / "out")
    left: list[Path] = []

    def watched(step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            left.append(shutil.copytree(folder / "out", folder / f"killed-{len(left)}"))
            return step(*arguments, **options)

        return take

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "rename", "unlink", "rmdir"):
            patch.setattr(os, name, watched(getattr(os, name)))
        zmumu("process", "--signal", world / "background.root", "--output", folder / "out", "--seed", 1)
    return folder / "out", left


def test_a_kill_at_any_step_leaves_the_old_results_or_the_new(
    world: Path, old_and_new: tuple[Path, list[Path]]
) -> None:
    """Whoever reads first finds one of the two, whole; new ones once the mark of the old was taken away."""
    new, left = old_and_new
    results = [contents(world / "table"), contents(new)]
    assert results[0].keys() - results[1].keys() == {"reweighting.json"}
    seen = []
    for folder in left:
        marked = (folder / "process.json").exists()
        with reading(folder):
            found = {name: value for name, value in contents(folder).items() if ".partial-" not in name}
        assert found in results
        seen.append(marked)
        if not marked:
            assert found == results[1]
            assert not list(folder.glob(".partial-*"))
    assert seen.count(False) >= 4
    assert {True, False} == set(seen)


def test_model_and_card_are_of_one_export(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves a model without a card, if need be, but none with that of another."""
    pairs = set()
    replace = os.replace

    def look(*arguments: Any, **options: Any) -> None:
        replace(*arguments, **options)
        pairs.add(tuple(path.read_text() for path in (tmp_path / "m.onnx", tmp_path / "m.card.json") if path.exists()))

    for text in ("old", "new"):
        monkeypatch.setattr(os, "replace", look)
        with staged(tmp_path, "m.card.json") as staging:
            (staging / "m.onnx").write_text(text)
            (staging / "m.card.json").write_text(text)
    assert pairs == {(), ("old",), ("old", "old"), ("new",), ("new", "new")}


READERS: dict[str, list[str]] = {
    "train": ["train", "pfn", "--members", "1", "--epochs", "1", "--data"],
    "scan": ["scan", "pfn", "--trials", "1", "--data"],
    "evaluate": ["evaluate", "run", "--data"],
    "limit": ["limit", "--data"],
    "limit --truth": ["limit", "--data", "table", "--truth"],
    "analyse": ["analyse", "--signal", "signal.root", "--background", "background.root", "--trained-on"],
    "plot": ["plot"],
}


@pytest.mark.parametrize("reader", READERS)
def test_readers_want_the_files_of_one_run(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.chdir(world)
    if reader == "limit --truth":  # what is classified is enough
        monkeypatch.setattr("zmumu_hybrid.jobs.limit.LEAST_EVENTS", 1)
    table = shutil.copytree(world / "table", tmp_path / "table")
    ends = ".json" if reader.split(maxsplit=1)[0] in ("evaluate", "limit") else ""
    arguments = [*READERS[reader], table, "--output", tmp_path / f"out{ends}"]
    (table / "candidates.parquet").unlink()
    write(toy_columns(100), table)
    shutil.copy(world / "table" / "process.json", table)
    with pytest.raises(InputError, match=r"candidates\.parquet: is not the file that .*process\.json describes: run"):
        zmumu(*arguments)
    (table / "process.json").unlink()
    with pytest.raises(MissingInputError, match=r"process\.json: no such file: .*table is not a complete output of"):
        zmumu(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_results_that_are_replaced_while_they_are_read_are_refused(tmp_path: Path) -> None:
    def make(text: str) -> None:
        with staged(tmp_path, "process.json") as staging:
            (staging / "candidates.parquet").write_text(text)
            write_mark(staging / "process.json", {})

    make("old")
    with reading(tmp_path), reading(tmp_path / "candidates.parquet"):
        pass
    for data in (tmp_path, tmp_path / "candidates.parquet"):
        with pytest.raises(InputError, match="was replaced while it was read: run the same command again"):
            _read_while(data, make)


def _read_while(data: Path, make: Callable[[str], None]) -> None:
    with reading(data):
        make("new")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("generate", "zmumu: terminated; no file is half-written\n"),
        ("process", "zmumu: terminated; no file is half-written\n"),
        ("train", "zmumu: terminated; what was finished is kept, run the same command to go on\n"),
    ],
)
def test_what_is_said_of_what_is_kept(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Terminated

    for name in ("generation.sample.generate", "jobs.process.process", "jobs.train.train"):
        monkeypatch.setattr(f"zmumu_hybrid.{name}", stop)
    arguments = [*COMMANDS.get(command, ([],))[0], *FOLDERS.get(command, [])]
    result = outcome_of(*arguments, "--output", tmp_path / "x.lhe")
    assert (result.exit_code, result.stderr) == (143, says)


def test_a_program_that_is_stopped_before_it_has_begun_ends_with_one_line() -> None:
    preamble = "import os, signal, sys, typer.main\nfrom zmumu_hybrid.cli.main import main\nsys.argv = ['zmumu', '-h']"
    stop = "typer.main.get_group = lambda _: os.kill(os.getpid(), signal.{})\nmain()"
    terminated, interrupted = forked(preamble, [stop.format("SIGTERM"), stop.format("SIGINT")])
    assert (terminated.status, terminated.err) == (143, "zmumu: terminated; nothing was begun\n")
    assert (interrupted.status, interrupted.err) == (130, "zmumu: interrupted; nothing was begun\n")


def test_a_file_is_on_the_disk_before_it_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, _noted(steps, name))
    write_json(tmp_path / "x.json", {})
    assert steps == ["fsync", "replace", "fsync"]


def _noted(steps: list[str], name: str) -> Callable[..., Any]:
    step = getattr(os, name)

    def take(*arguments: Any) -> Any:
        steps.append(name)
        return step(*arguments)

    return take


def test_long_names_and_odd_ones_are_outputs_too(tmp_path: Path) -> None:
    for name in ("x" * 250 + ".json", "a::b.json", "run:1.json", "µ\n[x].json", os.fsdecode(b"\xff.json")):
        zmumu("export-smearing", "--output", tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


def test_a_lock_is_free_when_it_is_closed(tmp_path: Path) -> None:
    first = hold(tmp_path / "lock")
    assert first is not None
    assert hold(tmp_path / "lock") is None
    os.close(first)
    second = hold(tmp_path / "lock")
    assert second is not None
    os.close(second)


def run_printing_to(place: str, folder: Path, encoding: str, *arguments: str) -> tuple[int, str]:
    """Run a command in a process of its own whose standard output goes to a file; return status and errors."""
    code = "from zmumu_hybrid.cli.main import main; main()"
    with open(place, "wb") as stream:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "60"},
            stdout=stream,
            stderr=subprocess.PIPE,
            check=False,
        )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_standard_output_that_is_full_is_one_line(tmp_path: Path, encoding: str) -> None:
    said = run_printing_to("/dev/full", tmp_path, encoding, "export-smearing", "--output", "x.json")
    assert said == (1, "zmumu: error: standard output: cannot be written to: No space left on device\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_signs_that_standard_output_has_not_are_no_error(world: Path, tmp_path: Path) -> None:
    """A table with other signs: of `evaluate`, which prints a dash where there is no spread."""
    given = ("evaluate", str(world / "run"), "--data", str(world / "table"), "--output", "µ.json")
    assert run_printing_to(str(tmp_path / "said"), tmp_path, "ascii", *given) == (0, "")
    said = (tmp_path / "said").read_text("ascii")
    assert "?.json" in said
    assert " - " in said
