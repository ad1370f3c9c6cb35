from __future__ import annotations

from pathlib import Path

import pytest

from measurement.samples import training_sample
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.measurement.training_sample import read_training_sample, require_trained_on
from zmumu_hybrid.support.files import read_json, sha256, write_json
from zmumu_hybrid.support.outputs import reading


def test_a_models_training_sample_must_be_known(tmp_path: Path) -> None:
    _, directory = training_sample(tmp_path, 100)
    sample = read_training_sample(directory)
    require_trained_on({"hybrid": sha256(directory / "candidates.parquet")}, sample)
    with pytest.raises(ConfigurationError, match=r"hybrid: was trained on the table abc\.\.\., not the sample in"):
        require_trained_on({"hybrid": "abc"}, sample)
    with pytest.raises(ConfigurationError, match="which is not named: name the directory with --trained-on"):
        require_trained_on({"hybrid": "abc"}, None)


def test_a_directory_that_does_not_say_it_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "process.json", {"inputs": []})
    with pytest.raises(InputError, match="does not say how the muons were smeared"):
        read_training_sample(tmp_path)


def test_of_a_later_version_it_is_refused_and_of_the_first_it_is_read(tmp_path: Path) -> None:
    _, directory = training_sample(tmp_path, 100)
    known, mark = read_training_sample(directory), directory / "process.json"
    written = read_json(mark)
    assert written["version"] == 2
    first = {name: value for name, value in written.items() if name not in ("version", "outputs")}
    write_json(mark, first)
    with reading(directory):
        assert read_training_sample(directory).smearing == known.smearing
    write_json(mark, first | {"version": 3})
    for read in (lambda: read_training_sample(directory), lambda: reading(directory).__enter__()):
        with pytest.raises(
            InputError, match=r"process\.json: is of version 3, this release reads up to 2: use a later"
        ):
            read()
    write_json(mark, first | {"version": "2"})
    with pytest.raises(InputError, match=r"process\.json: version: must be an integer, not '2'"):
        read_training_sample(directory)
