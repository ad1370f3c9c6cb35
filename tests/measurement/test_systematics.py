from __future__ import annotations

import pytest

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.measurement.systematics import Systematics
from zmumu_hybrid.physics.smearing import SmearingConfig


def test_the_variations_have_the_same_draws_and_other_widths() -> None:
    nominal = SmearingConfig("shared", "eta", 0.2, 5)
    varied = Systematics(width_uncertainty=0.25).smearings(nominal)
    assert list(varied) == ["nominal", "widthUp", "widthDown", "off"]
    assert varied["nominal"] is nominal
    assert [varied[name].width for name in ("widthUp", "widthDown")] == [0.25, pytest.approx(0.15)]
    assert varied["off"].mode == "none"
    assert all((each.seed, each.hold) == (5, "eta") for each in varied.values())


def test_the_categories_are_those_that_were_asked_for() -> None:
    assert Systematics(("reweighting", "off")).categories == ("nominal", "reweightingUp", "reweightingDown", "off")
    assert Systematics(("reweighting", "off")).two_sided == {"reweighting": ("reweightingUp", "reweightingDown")}
    assert Systematics(()).categories == ("nominal",)
    assert list(Systematics(("off",)).smearings(SmearingConfig())) == ["nominal", "off"]


@pytest.mark.parametrize(
    ("names", "uncertainty", "said"),
    [
        (("jes",), 0.1, "systematic 'jes': there is none of this name; available: width, off, reweighting"),
        (("width", "width"), 0.1, "name each once"),
        (("width",), 0.0, "above 0 and below 1"),
        (("width",), float("nan"), "above 0 and below 1"),
    ],
)
def test_bad_settings_are_refused(names: tuple[str, ...], uncertainty: float, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Systematics(names, uncertainty)
