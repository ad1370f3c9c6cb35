from __future__ import annotations

from pathlib import Path

import pytest

from learned import toy_columns, write


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the table of 3,000 toy events a class."""
    return write(toy_columns(3000), tmp_path_factory.mktemp("table"))
