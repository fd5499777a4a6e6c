"""The guided filter: against the formula window by window, at an edge, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.explainers.grids import Grid
from stages.explainers.guided import LUMINANCE, blur, refine, refuse_guided
from stages.explainers.methods import Explain
from stages.explainers.settings import Guided
from stages.runtime.errors import InputError
from stages.runtime.params import read_params


def filtered(guide: np.ndarray, rough: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Return He's filter of (n, n) pictures by its formula, loops over windows, the border mirrored."""
    padded = [np.pad(values, radius, mode="reflect") for values in (guide, rough)]
    window = lambda values, y, x: values[y : y + 2 * radius + 1, x : x + 2 * radius + 1]  # noqa: E731
    a, b = np.empty_like(guide), np.empty_like(guide)
    for y, x in np.ndindex(guide.shape):
        inside, below = (window(values, y, x) for values in padded)
        a[y, x] = np.mean((inside - inside.mean()) * (below - below.mean())) / (inside.var() + eps)
        b[y, x] = below.mean() - a[y, x] * inside.mean()
    a, b = (np.pad(values, radius, mode="reflect") for values in (a, b))
    means = [[window(values, y, x).mean() for y, x in np.ndindex(guide.shape)] for values in (a, b)]
    first, second = (np.reshape(values, guide.shape) for values in means)
    return first * guide + second


def test_the_published_formula_on_cells_of_one_pixel() -> None:
    torch.manual_seed(0)
    images, maps = torch.rand(2, 3, 16, 16), torch.randn(2, 2, 16, 16)
    ours = refine(maps, Grid(16, 1), images, Guided(cell_px=1, radius_px=3, eps=0.01))
    guides = np.einsum("nchw,c->nhw", images.double().numpy(), LUMINANCE)
    for image, guide in enumerate(guides):
        for setting in range(2):
            expected = filtered(guide, maps[image, setting].double().numpy(), 3, 0.01)
            np.testing.assert_allclose(ours[image, setting].numpy(), expected, atol=2e-4)


def test_a_coarse_map_gets_the_edge_of_the_tile() -> None:
    """A dark half up to column 10 of 32; cells of 16 px put the step of the map at column 16."""
    images = torch.zeros(1, 3, 32, 32)
    images[..., 10:] = 1.0
    maps = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    refined = refine(maps, Grid(32, 16), images, Guided(cell_px=2, radius_px=8, eps=1e-3))
    assert refined.shape == (1, 1, 16, 16)
    steps = (refined[0, 0, 8, :-1] - refined[0, 0, 8, 1:]).abs()
    assert int(steps.argmax()) == 4  # between cells 4 and 5: pixel 10


def test_scale_constants_and_mirrors() -> None:
    torch.manual_seed(0)
    images, maps = torch.rand(2, 3, 32, 32), torch.randn(2, 1, 4, 4)
    maps[1] = 0.1
    refined = refine(maps, Grid(32, 8), images, Guided())
    assert refined[1].unique().tolist() == maps[1].unique().tolist()  # points nowhere before and after
    assert blur(maps, Grid(32, 8), images, Guided())[1].unique().tolist() == maps[1].unique().tolist()
    torch.testing.assert_close(refine(maps * 1e-6, Grid(32, 8), images, Guided())[0] * 1e6, refined[0])
    mirrored = refine(maps.flip(3), Grid(32, 8), images.flip(3), Guided())
    torch.testing.assert_close(mirrored, refined.flip(3))


def test_blurred_is_what_the_filter_does_where_it_sees_no_edge() -> None:
    torch.manual_seed(0)
    images, maps = torch.rand(2, 3, 32, 32), torch.randn(2, 2, 4, 4)
    settings = Guided(cell_px=2, radius_px=6)
    ours = blur(maps, Grid(32, 8), images, settings)
    torch.testing.assert_close(ours, refine(maps, Grid(32, 8), images, replace(settings, eps=1e9)), atol=1e-5, rtol=0)
    assert torch.equal(ours, blur(maps, Grid(32, 8), 1 - images, settings))  # the tile does not count
    spot = torch.zeros(1, 1, 16, 16)
    spot[..., 8, 8] = 1.0  # 7 x 7 cells twice: a triangle of half width 7, its peak 1/49 of the spot
    around = blur(spot, Grid(32, 2), images[:1], settings)[0, 0, 8]
    expected = [max(0, 7 - abs(place - 8)) / 49 / 7 for place in range(16)]
    np.testing.assert_allclose(around.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("guided", "message"),
    [
        (Guided(cell_px=5), r"^params.yaml: explain.guided.cell_px is 5; expected a divisor of the tile's 112 pixels$"),
        (Guided(radius_px=6), r"guided.radius_px is 6; expected a multiple of its cell_px, 4, of at most half the"),
        (Guided(radius_px=60), r"guided.radius_px is 60; expected a multiple of .* at most half the tile's 112 pixels"),
    ],
)
def test_what_does_not_go_with_the_tile_is_refused_where_it_is_used(guided: Guided, message: str) -> None:
    parameters = replace(read_params().read(Explain), guided=guided)
    refuse_guided(parameters, 112)
    with pytest.raises(InputError, match=message):
        refuse_guided(replace(parameters, refine="guided"), 112)
