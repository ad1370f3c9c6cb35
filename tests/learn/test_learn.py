from __future__ import annotations

import subprocess
import sys

import pytest

from zmumu_hybrid import learn


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_public_names() -> None:
    assert dir(learn) == sorted(learn.__all__)
    for name in learn.__all__:
        assert getattr(learn, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'"):
        _ = learn.nothing


def test_descriptions_need_no_torch() -> None:
    code = "from zmumu_hybrid.learn import preset; preset('pfn'); import sys; sys.exit('torch' in sys.modules)"
    assert run(code).returncode == 0


@pytest.mark.parametrize(
    "what", ["from zmumu_hybrid.learn import train", "from zmumu_hybrid.learn import load_ensemble"]
)
def test_without_torch_the_remedy_is_named(what: str) -> None:
    found = run(f"import sys; sys.modules['torch'] = None\n{what}")
    assert "MissingDependencyError: torch is not installed: pip install 'zmumu-hybrid[train]'" in found.stderr
