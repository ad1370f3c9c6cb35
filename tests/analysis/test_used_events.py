from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.samples import event_files, training_sample
from zmumu_hybrid import candidates
from zmumu_hybrid.analysis.used_events import UsedEvents, read_used_events, require_trained_on, require_unused
from zmumu_hybrid.errors import ConfigurationError, InputError, LeakError
from zmumu_hybrid.files import sha256, write_json
from zmumu_hybrid.pairs import IDENTITY
from zmumu_hybrid.sources import open_sources


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Path]], UsedEvents]:
    files, directory = training_sample(tmp_path_factory.mktemp("sample"), 300)
    return files, read_used_events(directory)


def test_exactly_the_training_rows_are_refused(sample: tuple[dict[str, list[Path]], UsedEvents]) -> None:
    _, used = sample
    columns = candidates.read(used.directory / "candidates.parquet", [*IDENTITY, "is_test"])
    test = columns.pop("is_test")
    np.testing.assert_array_equal(used.held_out(columns), test)
    used.require_none_of({name: values[test] for name, values in columns.items()}, "here")
    used.require_none_of({name: values[:0] for name, values in columns.items()}, "here")
    one = {name: np.append(values[test], values[~test][7]) for name, values in columns.items()}
    event = columns["event"][~test][7]
    with pytest.raises(LeakError, match=rf"here: 1 of {len(one['event'])} events are training events of .*{event}"):
        used.require_none_of(one, "here")


def test_a_file_of_the_training_is_refused_whole(
    sample: tuple[dict[str, list[Path]], UsedEvents], tmp_path: Path
) -> None:
    files, used = sample
    sources = open_sources(files, show_progress=False)
    require_unused(sources, [used], "test")
    with pytest.raises(ConfigurationError, match=r"was made from this file: .*--rows test"):
        require_unused(sources, [used], "all")
    require_unused(open_sources(event_files(tmp_path, 20), show_progress=False), [used], "all")


def test_a_models_training_sample_must_be_known(sample: tuple[dict[str, list[Path]], UsedEvents]) -> None:
    _, used = sample
    require_trained_on({"hybrid": sha256(used.directory / "candidates.parquet")}, [used])
    with pytest.raises(ConfigurationError, match=r"hybrid: was trained on the table abc\.\.\., not the sample in"):
        require_trained_on({"hybrid": "abc"}, [used])
    with pytest.raises(ConfigurationError, match="which is not named: name the directory with --trained-on"):
        require_trained_on({"hybrid": "abc"}, [])


def test_a_directory_that_does_not_say_it_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "process.json", {"inputs": []})
    with pytest.raises(InputError, match="does not say what was processed"):
        read_used_events(tmp_path)
