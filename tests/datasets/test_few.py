"""A few images that stand for all."""

from pathlib import Path

import pytest

from stages.datasets.few import draw_few
from stages.datasets.images import SourceImage

IMAGES = [
    SourceImage(Path(f"{kind}{number}"), f"{kind}{number}", f"{kind}{number}", kind, official=part)
    for kind, count in (("crack", 8), ("good", 4), ("hole", 1))
    for number in range(count)
    for part in ("test" if number % 4 == 3 else "train",)
]


def names(count: int | None) -> list[str]:
    return [image.source for image in draw_few(IMAGES, count)]


def test_all_are_used_without_a_number_or_with_a_large_one() -> None:
    assert draw_few(IMAGES, None) is IMAGES
    assert draw_few(IMAGES, 13) is IMAGES


def test_kinds_get_equal_shares_as_far_as_they_have_images() -> None:
    """Of 5: crack 2, good 2, hole 1. Within crack, by parts: test 3, 7, train 0, 1, 2, 4, 5, 6: the 1st and the 5th."""
    assert names(5) == ["crack2", "crack3", "good1", "good3", "hole0"]
    assert names(1) == ["crack3"]


@pytest.mark.parametrize("count", range(1, 13))
def test_there_are_as_many_as_asked_for_in_their_order(count: int) -> None:
    found = names(count)
    assert len(found) == count
    assert found == [image.source for image in IMAGES if image.source in found]
