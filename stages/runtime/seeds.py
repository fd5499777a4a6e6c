"""Seeds: one integer from params.yaml, one independent stream per purpose."""

from hashlib import sha256


def derive_seed(seed: int, *purpose: object) -> int:
    """Return a 63-bit seed for a purpose, e.g. derive_seed(0, "train", "ViT_tiny", epoch).

    The first eight bytes of SHA-256 over the words, top bit cleared: unlike `hash`, the same in every process.
    """
    words = "/".join(str(word) for word in (seed, *purpose))
    return int.from_bytes(sha256(words.encode()).digest()[:8], "big") >> 1
