"""Seeds: one integer from params.yaml, one independent stream per purpose."""

import random
from hashlib import sha256

import numpy as np
import torch


def derive_seed(seed: int, *purpose: object) -> int:
    """Return a 63-bit seed for a purpose, e.g. derive_seed(0, "train", "ViT_tiny", epoch).

    The first eight bytes of SHA-256 over the words, top bit cleared: unlike `hash`, the same in every process.
    """
    words = "/".join(str(word) for word in (seed, *purpose))
    return int.from_bytes(sha256(words.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed Python, NumPy and torch, and ask torch for deterministic algorithms on a GPU.

    On a CPU torch's convolutions and matrix products repeat bit for bit for the same thread count and versions; asking
    for determinism there only makes training slower (by a sixth, measured), so it is not asked for. On a GPU a
    few operators have no deterministic kernel; torch then warns instead of stopping.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(device.type != "cpu", warn_only=True)
    torch.backends.cudnn.benchmark = False
