"""A memory of good features: a bounded choice of them, and how far others are from the nearest.

PatchCore (Roth et al. 2022, "Towards total recall in industrial anomaly detection", section 3 and algorithm 1): of
the features of good images a subset is kept that covers the rest, and what is far from all of it is unlike anything
good.
"""

import torch
from torch import Tensor

from stages.runtime.errors import InputError

PROJECTED = 128  # channels in which the subset is chosen, as in the paper's code
BLOCK_ENTRIES = 2**19  # squared distances at a time: 2 MB, which stay in the processor's cache


def coreset(features: Tensor, count: int, seed: int) -> Tensor:
    """Choose features that cover the others: greedy k-centre (Sener & Savarese 2018; algorithm 1 of the paper).

        chosen = {a random one};  then again and again  argmax_i min_(j in chosen) |p_i - p_j|

    p are the features, by a Gaussian random projection to `PROJECTED` channels where they have more (section 3.2: the
    projection keeps distances nearly, and saves time). The largest distance of a feature to the subset is at most
    twice that of the best subset of this number.

    Deviation from the paper's code: it begins with the features that are farthest from a random ten on average.

    Args:
        features: (M, C) float.
        count: how many to choose, at least 1; all are taken where there are no more.
        seed: of the projection and of the first choice.

    Returns:
        (min(count, M),) int64 their places in `features`, in the order of choice; no place twice.

    Raises:
        InputError: there are no features, or none are wanted.

    >>> coreset(torch.tensor([[0.0], [0.1], [5.0], [10.0]]), 3, seed=0).sort().values.tolist()
    [0, 2, 3]
    """
    if count < 1 or not len(features):
        raise InputError(f"a memory of {count} out of {len(features)} features holds nothing; raise its size")
    random = torch.Generator().manual_seed(seed)
    first = int(torch.randint(len(features), (1,), generator=random))
    if count >= len(features):
        return torch.arange(len(features), device=features.device)
    points = features - features.mean(dim=0)  # differences stay; rounding of the squares below grows with the length
    if points.shape[1] > PROJECTED:
        mix = torch.randn(points.shape[1], PROJECTED, generator=random, dtype=torch.float32) / PROJECTED**0.5
        points = points @ mix.to(points)
    squares = points.square().sum(dim=1)
    distances = torch.full_like(squares, torch.inf)
    chosen = torch.empty(count, dtype=torch.int64, device=features.device)
    place = torch.tensor(first, device=features.device)
    for number in range(count):
        chosen[number] = place
        to_place = torch.addmv(squares, points, points[place], alpha=-2) + squares[place]
        distances = torch.minimum(distances, to_place)
        distances[place] = -torch.inf
        place = distances.argmax()
    return chosen


def nearest_distance(features: Tensor, memory: Tensor) -> Tensor:
    """Return how far each feature is from the nearest one of a memory: min_j |f_i - m_j|, Euclidean.

    Args:
        features: (N, C) float.
        memory: (M, C), M at least 1.

    Returns:
        (N,) >= 0.

    >>> nearest_distance(torch.tensor([[0.0, 3.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]])).tolist()
    [2.2360680103302, 0.0]
    """
    # |f - m|^2 = |f|^2 + (|m|^2 - 2 f m): one product of matrices. Moving the origin among them keeps squares small.
    centre = memory.mean(dim=0)
    features, memory = features - centre, memory - centre
    squares = memory.square().sum(dim=1)
    nearest = features.new_empty(len(features))
    rows = max(1, BLOCK_ENTRIES // len(memory))
    for start in range(0, len(features), rows):
        some = features[start : start + rows]
        nearest[start : start + rows] = torch.addmm(squares, some, memory.mT, alpha=-2).amin(dim=1)
    return (nearest + features.square().sum(dim=1)).clamp_(min=0).sqrt_()


def reweighted(distances: Tensor, features: Tensor, memory: Tensor, neighbours: int) -> Tensor:
    """Return the anomaly score of images from the farthest feature of each (PatchCore, section 3.3, equation 7).

        s = w d(f, m*),   w = 1 - exp d(f, m*) / sum_(m in N) exp d(f, m)

    f is the feature, m* the nearest one of the memory, N the `neighbours` of the memory nearest to m*, itself among
    them. w is small where m* lies alone, so that f is as far from the others: what is rare among the good counts less.

    Args:
        distances: (N,) d(f, m*) of the farthest feature of each image.
        features: (N, P) that feature.
        memory: (M, P).
        neighbours: at most M count; 1: no weight (w = 1), as many implementations have it, since w would be 0.

    Returns:
        (N,) >= 0.

    >>> far = torch.tensor([[3.0, 0.0]])
    >>> reweighted(torch.tensor([3.0]), far, torch.tensor([[0.0, 0.0], [0.0, 4.0], [99.0, 0.0]]), 2).item()
    2.6423912048339844
    """
    if neighbours == 1:
        return distances
    nearest = torch.cdist(features, memory).argmin(dim=1)
    around = torch.cdist(memory[nearest], memory).topk(min(neighbours, len(memory)), largest=False).indices
    to_around = (features[:, None] - memory[around]).norm(dim=2)
    return distances * (1 - (distances - to_around.logsumexp(dim=1)).exp())
