"""Every pool: pool(map) + bias = logit, exactly; values by hand; what a pool must not care about."""

import math

import pytest
import torch

from stages.models.cnn import CamClassifier
from stages.models.pools import POOLS
from stages.models.settings import Head

HALF = (0.5, 0.5, 0.5)
CAM = torch.tensor([[[[4.0, 0.0], [2.0, -2.0]]]])
every_pool = pytest.mark.parametrize("pool", POOLS)


def model_with(pool: str, neurons: int, map_stride: int | None) -> CamClassifier:
    torch.manual_seed(0)
    model = CamClassifier("test_efficientnet", 16, HALF, HALF, None, neurons, Head(map_stride=map_stride, pool=pool))
    model.head.bias.data = torch.linspace(-1, 2, neurons)
    return model.eval()


@every_pool
@pytest.mark.parametrize("neurons", [1, 3])
@pytest.mark.parametrize("map_stride", [None, 16, 8, 4])
def test_pool_of_the_map_plus_bias_is_the_logit(pool: str, neurons: int, map_stride: int | None) -> None:
    model, images = model_with(pool, neurons, map_stride), torch.rand(2, 3, 64, 96)
    logits, cam = model(images, explain=True)
    cells = 64 // (map_stride or 16), 96 // (map_stride or 16)
    assert cam.shape == (2, neurons, *cells) and model.cell_px == (map_stride or 16)
    assert torch.equal(POOLS[pool](cam, model.settings) + model.head.bias, logits.reshape(2, neurons))
    assert torch.equal(model(images).logits, logits)
    assert torch.equal(model.classify(model.backbone((images - 0.5) / 0.5)[0]), logits)


@every_pool
def test_the_bias_is_in_no_map(pool: str) -> None:
    model, images = model_with(pool, 2, 8), torch.rand(1, 3, 64, 64)
    before = model(images, explain=True).heatmaps
    model.head.bias.data += 5
    assert torch.equal(model(images, explain=True).heatmaps, before)


@pytest.mark.parametrize(
    ("pool", "value"),
    [
        ("mean", 1.0),
        ("max", 4.0),
        ("top_k", 3.0),  # half of the cells
        ("log_sum_exp", math.log((math.e**8 + 1 + math.e**4 + math.e**-4) / 4) / 2),
        # weights halve with every second cell: 1, 2^-1/2, 1/2, 2^-3/2
        ("ranked", (4 + 2 * 2**-0.5 - 2 * 2**-1.5) / (1 + 2**-0.5 + 0.5 + 2**-1.5)),
    ],
)
def test_values_worked_by_hand(pool: str, value: float) -> None:
    assert POOLS[pool](CAM, Head(share=0.5, sharpness=2.0)).item() == pytest.approx(value)


@every_pool
def test_where_the_cells_are_does_not_matter_and_a_shift_adds_itself(pool: str) -> None:
    cam, head = torch.randn(2, 3, 5, 6), Head(share=0.2)
    shuffled = cam.flatten(2)[:, :, torch.randperm(30)].reshape(2, 3, 6, 5)
    torch.testing.assert_close(POOLS[pool](shuffled, head), POOLS[pool](cam, head))
    torch.testing.assert_close(POOLS[pool](cam + 3, head), POOLS[pool](cam, head) + 3)


@every_pool
def test_a_pool_lies_between_the_mean_and_the_maximum(pool: str) -> None:
    cam, head = torch.randn(20, 2, 7, 7), Head()
    scores = POOLS[pool](cam, head)
    assert (scores >= POOLS["mean"](cam, head) - 1e-5).all() and (scores <= POOLS["max"](cam, head) + 1e-5).all()


def test_top_k_takes_a_cell_where_its_share_is_less_than_one() -> None:
    assert POOLS["top_k"](CAM, Head(share=0.01)).item() == 4


@every_pool
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_large_maps_stay_finite_in_half_precision(pool: str, dtype: torch.dtype) -> None:
    cam = torch.full((1, 2, 28, 28), 2000, dtype=dtype)
    assert torch.isfinite(POOLS[pool](cam, Head())).all()
