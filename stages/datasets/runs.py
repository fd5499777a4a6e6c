"""Run-length codes of COCO: a mask as the lengths of its runs of 0 and 1 in turn, column by column, 0 first.

As a list of numbers, or as text in which every number (from the fourth on, less the number two before it) is written
in pieces of five bits, the lowest first, each with a bit that says whether more follow, as the letter 48 above it.
"""

from collections.abc import Sequence

import numpy as np


def lengths_of(text: str) -> list[int]:
    """Return the run lengths that a text stands for.

    Raises:
        ValueError: a letter is not one of the code's, or the text ends within a number.
    """
    lengths: list[int] = []
    number, shift = 0, 0
    for letter in text:
        piece = ord(letter) - 48
        if not 0 <= piece < 64 or shift > 30:
            raise ValueError(f"{letter!r} is not in the code")
        number |= (piece & 31) << shift
        shift += 5
        if piece & 32:
            continue
        if piece & 16:  # negative
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number, shift = 0, 0
    if shift:
        raise ValueError("ends within a number")
    return lengths


def mask_of(lengths: Sequence[int], height: int, width: int) -> np.ndarray:
    """Return the mask, H W bool.

    Raises:
        ValueError: a length is below 0, or all together are not height x width.
    """
    pixels = height * width
    if any(not 0 <= length <= pixels for length in lengths) or sum(lengths) != pixels:
        raise ValueError(f"they cover {sum(lengths)} of {pixels} pixels, or one is below 0")
    runs = np.asarray(lengths, np.int64)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T
