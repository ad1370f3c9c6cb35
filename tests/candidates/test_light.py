"""What a short run loads: nothing that takes a second and that nobody asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from toyfiles import toy_root


def test_processing_does_without_pandas_and_torch(tmp_path: Path) -> None:
    path = toy_root(tmp_path / "a.root", 30)
    code = (
        "import sys; from zmumu_hybrid.jobs.process import process; "
        f"process([{str(path)!r}], [], {str(tmp_path / 'out')!r}, show_progress=False); "
        "print({'pandas', 'torch', 'matplotlib', 'distributed'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
