from __future__ import annotations

import math

import pytest
from matplotlib.figure import Figure

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.nets.presets import PRESETS, preset
from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.architecture import POOLINGS, Architecture, describe, draw

PAPER = {model: describe(config) for model, config in PRESETS["paper"].items()}
HYBRID = PAPER["hybrid"]
PAPER["concatenation-with-pt"] = describe(preset("hybrid", pooling="concatenation-with-pt"))
PAPER["released"] = describe(preset("hybrid", "released"))


def test_the_widths_are_read_off_the_weights():
    networks = pytest.importorskip("zmumu_hybrid.nets.dimuon")
    for models in PRESETS.values():
        for config in models.values():
            assert describe(networks.build(config)) == describe(config)
    pooling = preset("hybrid", pooling="concatenation-with-pt")
    made = describe(networks.build(pooling))
    assert made.stacks["classifier"] == (33, 512, 256, 128, 1)
    assert "gate" not in made.stacks


@pytest.mark.parametrize("name", PAPER)
def test_every_layer_is_drawn_with_its_width(name, tmp_path):
    drawing = draw(PAPER[name], note="quick scale")
    for stack, widths in PAPER[name].stacks.items():
        shown = [drawing.artists[f"{stack} neurons {i}"].get_text() for i in range(len(widths))]
        assert shown == [str(width) for width in widths]
        heights = [drawing.artists[f"{stack} layer {i}"].get_height() for i in range(len(widths))]
        assert sorted(heights) == [pytest.approx(0.22 + 0.13 * math.log2(width)) for width in sorted(widths)]
    assert all(path.stat().st_size > 5_000 for path in style.save(drawing.figure, tmp_path / name))


@pytest.mark.parametrize("name", PAPER)
def test_words_stay_apart_and_on_the_axes(name):
    drawing = draw(PAPER[name])
    drawing.figure.draw_without_rendering()
    page = drawing.figure.bbox
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawing.axes[0].texts]
    for i, (words, box) in enumerate(boxes):
        assert page.x0 <= box.x0 < box.x1 <= page.x1, words
        for others, other in boxes[i + 1 :]:
            assert not box.overlaps(other), f"{words!r} lies on {others!r}"


def test_words_stay_inside_their_boxes():
    drawing = draw(HYBRID)
    drawing.figure.draw_without_rendering()
    for name in ("particle_map input", "invariant_map input", "gate operation", "pooling"):
        frame = drawing.artists[name].get_window_extent()
        words = drawing.artists[f"{name} text"].get_window_extent()
        assert frame.x0 < words.x0 < words.x1 < frame.x1, name
        assert frame.y0 < words.y0 < words.y1 < frame.y1, name


def test_small_axes_of_the_caller_get_small_words():
    figure = Figure(figsize=(12, 4))
    left, right = figure.subplots(1, 2)
    drawing = draw(HYBRID, left)
    assert drawing.axes == (left,)
    assert not right.has_data()
    alone = draw(HYBRID)
    assert drawing.artists["logit"].get_fontsize() < alone.artists["logit"].get_fontsize() / 2
    assert set(drawing.artists) == set(alone.artists)


def test_the_neurons_are_counted_as_in_the_paper():
    assert [PAPER[name].hidden_neurons for name in ("hybrid", "pfn", "invariant")] == [1152, 1152, 1152]
    assert draw(HYBRID).artists["count"].get_text() == "1,152 hidden neurons"


@pytest.mark.parametrize("pooling", style.POOLINGS)
def test_each_pooling_is_written_as_a_formula(pooling):
    assert (
        draw(describe(preset("hybrid", pooling=pooling))).artists["pooling text"].get_text()
        == "Pooling\n" + POOLINGS[pooling]
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("gnn", {}), "model must be one of hybrid, pfn, invariant, not 'gnn'"),
        (("pfn", {"particle_map": (4, 16)}), "a pfn network needs the stack classifier"),
        (("invariant", {"classifier": (2,)}), "classifier needs the widths of input and output"),
        (("hybrid", HYBRID.stacks, "maximum"), "pooling must be one of weighted-sum, .*, not 'maximum'"),
    ],
)
def test_parts_that_make_no_network_are_refused(parts, message):
    with pytest.raises(InputError, match=message):
        Architecture(*parts)
