from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zmumu_hybrid.errors import OutputError
from zmumu_hybrid.staging import staging_directory

NAMES = ("a.txt", "b.txt", "done.json")


def fill(folder: Path, text: str, names: tuple[str, ...] = NAMES) -> None:
    for name in names:
        (folder / name).write_text(text)


def test_files_are_moved_in_and_nothing_else_is_left(tmp_path: Path) -> None:
    with staging_directory(tmp_path / "out", NAMES) as staging:
        fill(staging, "new")
        (staging / "parts").mkdir()
        assert not any((tmp_path / "out" / name).exists() for name in NAMES)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(NAMES)


def test_a_failed_block_leaves_what_was_there(tmp_path: Path) -> None:
    fill(tmp_path, "old")

    def block(output: Path) -> None:
        with staging_directory(output, NAMES) as staging:
            fill(staging, "new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert {(tmp_path / name).read_text() for name in NAMES} == {"old"}
    with pytest.raises(ZeroDivisionError):
        block(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_that_the_new_run_does_not_write_does_not_stay(tmp_path: Path) -> None:
    fill(tmp_path, "old")
    with staging_directory(tmp_path, NAMES) as staging:
        fill(staging, "new", ("a.txt", "done.json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "done.json"]


def test_the_directory_of_a_killed_run_is_swept_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    code = (
        "import sys; from zmumu_hybrid.staging import staging_directory\n"
        "with staging_directory(sys.argv[1], ['x']) as d: print(d, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with staging_directory(tmp_path, NAMES):
            assert theirs.is_dir()
        other.kill()
    with staging_directory(tmp_path, NAMES):
        assert not theirs.exists()


def test_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(OutputError, match=r"file/out: cannot make"),
        staging_directory(tmp_path / "file" / "out", NAMES),
    ):
        pass
