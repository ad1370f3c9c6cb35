from __future__ import annotations

from pathlib import Path

import pytest

from measurement.samples import training_sample
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.measurement.training_sample import read_training_sample, require_trained_on
from zmumu_hybrid.support.files import sha256, write_json


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
