"""Averaged maps: what they are by hand, symmetry, cells, sums over the tile, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.explainers.explainer import Explainer, prepare_explainers
from stages.explainers.grids import Grid
from stages.explainers.methods import METHODS, Explain, refuse_methods
from stages.explainers.settings import Methods
from stages.explainers.turns import TURNS
from stages.explainers.views import Scale, Views
from stages.models.outputs import Outputs, Target
from stages.models.registry import Architecture
from stages.models.trained import Description, channels_last
from stages.models.weights import SCRATCH, Classifier, build_classifier
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from tests.models.tiny import tiny_model

CNN = Architecture("cnn", "test_efficientnet", 16)
VIT = Architecture("vit", "test_vit", None)
HYBRID = Architecture("vit", "test_vit", 4, "test_efficientnet", 1)


def methods_of(architecture: Architecture) -> tuple[str, ...]:
    """Every method that needs no good tiles beside the explained one."""
    family = architecture.family
    fitting = {name: of for name, of in METHODS.items() if family in of.families and not of.why_not(architecture)}
    return tuple(name for name, of in fitting.items() if of.learn is None)


def explainers(architecture: Architecture, px: int, classes: int = 2, **changed: Any) -> dict[str, Explainer]:
    torch.manual_seed(0)
    names = ("good", *(f"kind{number}" for number in range(1, classes)))
    model = channels_last(build_classifier(architecture, px, neurons=1 if classes == 2 else classes)).eval()
    description = Description("net", architecture, px, "binary" if classes == 2 else "multiclass", names, SCRATCH)
    real = read_params().read(Explain)
    real = replace(real, rise=replace(real.rise, masks=4, cells=4))
    names_of = methods_of(architecture)
    given = {"methods": Methods(names_of, names_of), "control": False} | changed
    prepared = prepare_explainers(model, description, replace(real, **given))
    return {explainer.name: explainer for explainer in prepared}


def tiles(px: int) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, px, px).contiguous(memory_format=torch.channels_last)


def explained(explainer: Explainer, images: Tensor, target: Target = None) -> Tensor:
    with torch.no_grad():
        maps = explainer.heatmaps(images, target).heatmaps
    assert maps is not None
    return maps


def views(scales: list[tuple[int, float, float]], flips: str, shares: bool, px: int = 32) -> Views:
    """Scales: side of the enlarged tile, side of a cell, offset."""
    model = tiny_model().eval()
    of = tuple(Scale(model, Grid(side, cell, offset, offset)) for side, cell, offset in scales)
    return Views(model, px, of, TURNS[flips], shares)


def test_a_map_of_brightness_by_hand() -> None:
    """Two cells of 16 px at scale 1, four at scale 2: the mean of 0, 8 spread over four cells and of what they saw."""

    def left_to_right(_: Classifier, images: Tensor, __: Target) -> Outputs:
        cells = images.shape[3] // 16
        values = torch.tensor([0.0, 8.0] if cells == 2 else [4.0, 0.0, 0.0, 4.0])
        return Outputs(torch.zeros(len(images)), values.expand(len(images), 1, cells, cells).contiguous())

    both = views([(32, 16, 0), (64, 16, 0)], "none", shares=False)
    maps = both.explain(left_to_right, tiles(32), None, "it").heatmaps
    assert maps is not None and both.grid == Grid(64, 16)
    assert maps[0, 0, 0].tolist() == [(0 + 4) / 2, (2 + 0) / 2, (6 + 0) / 2, (8 + 4) / 2]
    shared = views([(32, 16, 0), (64, 16, 0)], "none", shares=True)
    maps = shared.explain(left_to_right, tiles(32), None, "it").heatmaps
    assert maps is not None
    assert maps[0, 0, 0].tolist() == [(0 + 4) / 2, (0.5 + 0) / 2, (1.5 + 0) / 2, (2 + 4) / 2]
    flipped = views([(32, 16, 0)], "horizontal", shares=False)
    maps = flipped.explain(left_to_right, tiles(32), None, "it").heatmaps
    assert maps is not None and maps.unique().tolist() == [4.0]  # the same to the left and right whatever it is shown


@pytest.mark.parametrize(("architecture", "px"), [(CNN, 64), (VIT, 64), (HYBRID, 32)])
def test_one_scale_and_no_flips_is_the_method_bit_for_bit(architecture: Architecture, px: int) -> None:
    images = tiles(px)
    for explainer in explainers(architecture, px).values():
        plain = explainer.method.call(explainer.model, images, None, explainer.parameters).heatmaps
        assert explained(explainer, images).equal(plain)


@pytest.mark.parametrize(("architecture", "px"), [(CNN, 64), (VIT, 64), (HYBRID, 32)])
def test_a_flipped_or_turned_tile_has_exactly_the_flipped_or_turned_map(architecture: Architecture, px: int) -> None:
    images = tiles(px)
    for name, explainer in explainers(architecture, px, flips="all").items():
        maps = explained(explainer, images)
        for turn in TURNS["all"]:
            of_turned = explained(explainer, turn.of(images))
            assert turn.back(of_turned).equal(maps), (name, turn)
        logits = explainer.heatmaps(images, None).logits
        torch.testing.assert_close(logits, explainer.model(images).logits, rtol=1e-3, atol=1e-4)


def test_cells_that_do_not_fill_the_tile_are_mirrored_where_they_lie() -> None:
    """Cells of 16 px on 40 px: three, of which the last reaches 8 px beyond; averaged on six that fill the tile."""
    cam = explainers(CNN, 40, flips="all")["cam"]
    images = tiles(40)
    maps = explained(cam, images)
    assert maps.shape[2:] == (6, 6) and (cam.cell_px, cam.offset_px) == (40 / 6, 0)
    torch.testing.assert_close(explained(cam, images.flip(3)), maps.flip(3))
    alone = explainers(CNN, 40)["cam"]
    assert (alone.cell_px, alone.offset_px) == (16, 0) and explained(alone, images).shape[2:] == (3, 3)


def test_what_padding_moves_is_averaged_where_it_lies() -> None:
    cam = explainers(CNN, 64, flips="horizontal", align=True, methods=Methods(("cam",), ("rollout",)))["cam"]
    assert cam.views.scales[0].cells.left_px == -7.5  # four symmetric strides: (1 + 2 + 4 + 8) / 2
    assert (cam.cell_px, cam.offset_px) == (8, 0)
    images = tiles(64)
    torch.testing.assert_close(explained(cam, images.flip(3)), explained(cam, images).flip(3))


@pytest.mark.parametrize(("architecture", "px"), [(CNN, 64), (VIT, 64), (HYBRID, 32)])
@pytest.mark.parametrize("flips", ["none", "all"])
def test_scales_have_the_cells_of_the_largest(architecture: Architecture, px: int, flips: str) -> None:
    images = tiles(px)
    plain = explainers(architecture, px)
    for name, explainer in explainers(architecture, px, scales=(1.0, 2.0), flips=flips).items():
        maps = explained(explainer, images)
        finer = 1 if name == "rise" else 2  # its cells are parts of the tile, however large that is
        assert explainer.cell_px == plain[name].cell_px / finer and explainer.offset_px == 0
        assert maps.shape[2] * explainer.cell_px == px
        assert explainer.record["cell_px"] == explainer.cell_px
        if flips == "all" and name in ("cam", "rollout", "gradcam"):  # others make more of the rounding of the tile
            mirrored = explained(explainer, images.flip(2)).flip(2)
            share = 1e-2 if name == "rollout" else 1e-3  # an attention at the edge may be discarded or not
            torch.testing.assert_close(mirrored, maps, rtol=share, atol=share * float(maps.abs().max()))


def test_scale_one_of_several_alone_is_its_own_map_and_logits_are_the_tiles() -> None:
    """The mean of two scales by what each of them gives alone."""
    images = tiles(64)
    one, two, both = (explainers(CNN, 64, scales=scales)["cam"] for scales in ((1.0,), (2.0,), (2.0, 1.0)))
    finer = torch.nn.functional.interpolate(explained(one, images), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(explained(both, images), (finer + explained(two, images)) / 2)
    with torch.no_grad():
        assert two.heatmaps(images, None).logits.equal(one.model(images).logits)
        assert both.heatmaps(images, None).logits.equal(one.model(images).logits)
        # the map of scale 2 is that of the enlarged tile
        enlarged = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
        assert explained(two, images).equal(one.model(enlarged, explain=True).heatmaps)


def test_rollout_of_several_scales_adds_up_as_at_one() -> None:
    """Each map and the class token's share of itself add up to 1, of however many cells."""
    images, alone = tiles(64), {}
    for scales in ((1.0,), (2.0,), (1.0, 2.0)):
        rollout = explainers(VIT, 64, scales=scales, fusion=("mean",), discard=(0.0,))["rollout"]
        alone[scales] = explained(rollout, images).sum(dim=(2, 3))
    torch.testing.assert_close(alone[1.0, 2.0], (alone[1.0,] + alone[2.0,]) / 2)
    assert float(alone[1.0, 2.0].min()) > 0 and float(alone[1.0, 2.0].max()) < 1


def test_every_view_explains_the_class_of_the_tile() -> None:
    cam = explainers(CNN, 64, classes=4, flips="all", scales=(2.0,))["cam"]
    images, asked = tiles(64), []

    def watched(model: Classifier, pictures: Tensor, target: Target) -> Outputs:
        asked.append(target)
        return cam.method.call(model, pictures, target, cam.parameters)

    with torch.no_grad():
        cam.views.explain(watched, images, None, "cam")
        likeliest = cam.model(images).logits.argmax(dim=1)
    assert len(asked) == 8 and all(torch.equal(torch.as_tensor(target), likeliest) for target in asked)


def test_the_control_is_averaged_and_refined_like_the_method() -> None:
    pytest.importorskip("kornia")
    changed = {"flips": "all", "scales": (1.0, 2.0), "refine": "guided", "control": True}
    methods = Methods(("cam", "gradcam"), ("rollout", "gradcam"))
    found = explainers(CNN, 64, **changed, methods=methods)
    assert list(found) == ["cam", "gradcam", "cam_guided", "cam_randomised", "cam_guided_randomised", "cam_blur"]
    assert [explainer.cell_px for explainer in found.values()] == [8, 8, 4, 8, 4, 4]
    assert [len(explainer.views.turns) for explainer in found.values()] == [8] * 6
    images = tiles(64)
    made = {"cam": found["cam"].heatmaps(images, None)}
    refined = found["cam_guided"].heatmaps(images, None, made).heatmaps
    assert refined is not None and refined.shape == (2, 1, 16, 16)
    assert explained(found["cam_guided"], images).equal(refined)
    assert found["cam_guided"].settings == [{"name": "cam_guided", "fusion": "cam_guided", "discard": 0.0}]

    found = explainers(VIT, 64, **changed, methods=methods)
    assert [len(explainer.settings) for explainer in found.values()] == [12, 1, 12, 3, 3, 12]
    every = explained(found["rollout_guided"], images)
    for place, (setting, alone) in enumerate(found["rollout_guided"].one_by_one()):
        if setting["name"] in ("min_0", "max_0.9"):
            torch.testing.assert_close(explained(alone, images)[:, 0], every[:, place])


@pytest.mark.parametrize(
    ("architecture", "px", "scales", "message"),
    [
        (VIT, 64, (1.0, 1.4), r"^params.yaml: explain.scales has 1.4, which makes images of 90 px, .* its patch, 16$"),
        (CNN, 64, (0.1,), r"explain.scales has 0.1, which makes images of 6 px, .*: a cell of its map is 16 px$"),
    ],
)
def test_scales_that_a_model_cannot_take(
    architecture: Architecture, px: int, scales: tuple[float, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        explainers(architecture, px, scales=scales, methods=Methods(("cam",), ("rollout",)))


def test_windows_larger_than_a_smaller_tile_are_refused_before_training() -> None:
    parameters = replace(read_params().read(Explain), methods=Methods(("occlusion",), ("rollout",)))
    net = {"net": Architecture("cnn", "test_efficientnet", 16)}
    refuse_methods(parameters, net, 28)
    with pytest.raises(InputError, match=r"occlusion.window_px is 16; .* at most the tile's 14 pixels"):
        refuse_methods(
            replace(parameters, scales=(1.0, 0.5)), {"net": Architecture("cnn", "test_efficientnet", 16)}, 28
        )
