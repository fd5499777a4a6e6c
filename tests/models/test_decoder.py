"""The decoder: finer cells at the places of the finest stage; no decoder, the same network as before it."""

import pytest
import torch

from stages.models.cnn import CamClassifier
from stages.models.decoder import TopDown
from stages.models.settings import Head
from stages.runtime.errors import InputError

HALF = (0.5, 0.5, 0.5)


def test_values_worked_by_hand() -> None:
    decoder = TopDown([1, 1], [8, 16], 1).eval()
    for lateral, weight in zip(decoder.lateral, (1.0, 2.0), strict=True):
        lateral[0].weight.data.fill_(weight)
        lateral[1].eps = 0.0  # batch normalisation as it starts: nothing else
    fine, coarse = torch.tensor([[[[1.0, -9.0, 0.0, 0.0]]]]), torch.tensor([[[[3.0, -1.0]]]])
    # coarse: relu(2 x) = 6, 0; bilinear to four cells: 6, 4.5, 1.5, 0
    assert decoder([fine, coarse])[0, 0, 0].tolist() == [7, 0, 1.5, 0]


def test_coarse_cells_that_reach_beyond_the_image_stay_where_they_are() -> None:
    """Of 112 px: seven cells of 16 px, four of 32 px, whose last one is centred on the border."""
    decoder = TopDown([1, 1], [16, 32], 1).eval()
    for lateral in decoder.lateral:
        lateral[0].weight.data.fill_(1.0)
        lateral[1].eps = 0.0
    centres = torch.arange(4.0) * 32 + 16
    found = decoder([torch.zeros(1, 1, 7, 7), centres.expand(1, 1, 4, 4)])[0, 0, 3]
    assert found.tolist() == [16, *(16.0 * cell + 8 for cell in range(1, 7))]  # the first centre is the least


def test_the_models_own_stride_needs_no_decoder_and_is_the_same_network() -> None:
    networks = []
    for head in (None, Head(), Head(map_stride=16)):
        torch.manual_seed(0)
        networks.append(CamClassifier("test_efficientnet", 16, HALF, HALF, head=head).state_dict())
    assert networks[0].keys() == networks[1].keys() == networks[2].keys()
    for name, tensor in networks[0].items():
        assert torch.equal(tensor, networks[1][name]) and torch.equal(tensor, networks[2][name]), name


def test_a_stride_that_the_backbone_has_not_is_refused() -> None:
    for stride in (5, 64):
        with pytest.raises(InputError, match=rf"head.map_stride is {stride}; .* has feature stages of 2, 4, 8, 16$"):
            CamClassifier("test_efficientnet", 16, HALF, HALF, head=Head(map_stride=stride))


def test_freezing_and_warming_up_leave_the_decoder_to_learn() -> None:
    model = CamClassifier("test_efficientnet", 16, HALF, HALF, head=Head(map_stride=8))
    decoder = {id(parameter) for parameter in model.backbone.decoder.parameters()}
    assert decoder and not decoder & {id(parameter) for parameter in model.network.parameters()}
    assert not decoder & {id(parameter) for parameter in model.stage_parameters(2)}
