"""A memory of features: chosen as the definition says, bounded, and distances as brute force has them."""

import numpy as np
import pytest
import torch

from stages.explainers.memory import PROJECTED, coreset, nearest_distance, reweighted
from stages.runtime.errors import InputError


def greedy(points: np.ndarray, first: int, count: int) -> list[int]:
    """Algorithm 1 of PatchCore as it is written: all distances anew for every choice."""
    chosen = [first]
    while len(chosen) < count:
        apart = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return chosen


def clusters(count: int, channels: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(5, channels, generator=random).repeat(count // 5, 1) * 3 + torch.randn(
        count, channels, generator=random
    )


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_a_coreset_is_the_greedy_choice(shift: float) -> None:
    features = clusters(300, 12) + shift
    chosen = coreset(features, 40, seed=3)
    assert chosen.tolist() == greedy(features.double().numpy(), int(chosen[0]), 40)


def test_a_coreset_depends_on_its_seed_alone() -> None:
    features = clusters(200, PROJECTED + 30)
    first, again, other = (coreset(features, 20, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.manual_seed(5)
    assert torch.equal(coreset(features, 20, 1), first)


def test_a_coreset_covers_what_a_random_choice_leaves_out() -> None:
    """One feature far from a thousand: also by the projection to fewer channels."""
    features = torch.cat([clusters(1000, PROJECTED * 2), torch.full((1, PROJECTED * 2), 40.0)])
    chosen = coreset(features, 10, seed=0)
    assert 1000 in chosen[:2] and len(set(chosen.tolist())) == 10


def test_duplicates_are_chosen_once_and_no_more_than_there_are() -> None:
    features = torch.tensor([[1.0, 2.0]]).repeat(6, 1)
    assert sorted(coreset(features, 4, 0).tolist()) == sorted(set(coreset(features, 4, 0).tolist()))
    assert coreset(features, 9, 0).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("features", "count"), [(torch.zeros(0, 3), 5), (torch.zeros(4, 3), 0)])
def test_a_memory_of_nothing_is_refused(features: torch.Tensor, count: int) -> None:
    with pytest.raises(InputError, match="holds nothing"):
        coreset(features, count, 0)


@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_distances_are_those_of_brute_force(shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    features, memory = clusters(70, 20, 1) + shift, clusters(35, 20, 2) + shift
    expected = torch.cdist(features.double(), memory.double()).amin(dim=1).float()
    torch.testing.assert_close(nearest_distance(features, memory), expected, rtol=1e-5, atol=1e-4)
    whole = nearest_distance(features, memory)
    monkeypatch.setattr("stages.explainers.memory.BLOCK_ENTRIES", 35 * 8)  # in pieces of eight
    torch.testing.assert_close(nearest_distance(features, memory), whole, rtol=1e-5, atol=1e-5)


def test_what_is_in_the_memory_is_not_far() -> None:
    memory = clusters(30, 8)
    assert float(nearest_distance(memory, memory).max()) < 5e-3


def test_the_score_of_an_image_is_weighted_by_how_lonely_its_nearest_good_feature_is() -> None:
    """By hand: f is 3 from its nearest, m0; of m0's two nearest, itself and m1, the other is 5 away."""
    memory = torch.tensor([[0.0, 0.0], [0.0, 4.0], [9.0, 9.0]])
    f = torch.tensor([[3.0, 0.0]])
    expected = 3 * (1 - np.exp(3) / (np.exp(3) + np.exp(5)))
    assert reweighted(torch.tensor([3.0]), f, memory, 2).item() == pytest.approx(expected, rel=1e-6)
    assert reweighted(torch.tensor([3.0]), f, memory, 1).item() == 3  # no neighbours, no weight
    all_three = 3 * (1 - np.exp(3) / (np.exp(3) + np.exp(5) + np.exp(np.hypot(6, 9))))
    for more in (3, 50):
        assert reweighted(torch.tensor([3.0]), f, memory, more).item() == pytest.approx(all_three, rel=1e-6)
    far = reweighted(torch.tensor([300.0]), torch.tensor([[300.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]]), 2)
    assert far.item() == pytest.approx(150, rel=1e-2) and torch.isfinite(far).all()  # exp 300 is no float
