"""A few images that stand for all of a data set, for a quick try: `dataset.images`."""

from collections import defaultdict

from stages.datasets.images import SourceImage


def draw_few(images: list[SourceImage], count: int | None) -> list[SourceImage]:
    """Return `count` of the images, in their order; all for None, or where there are no more.

    They are spread evenly over strata (label, kind of defect), as far as these have images, and within a stratum over
    its list by the publisher's parts, so that parts keep their shares and groups, which stand beside each other, mix.
    Nothing is random.

    Args:
        images: all that the reader found.
        count: how many, at least 1.
    """
    if count is None or count >= len(images):
        return images
    strata: dict[tuple[str, str], list[SourceImage]] = defaultdict(list)
    for image in sorted(images, key=lambda image: image.official or ""):  # stable: each part in its order
        strata[image.label or "", image.defect_class].append(image)
    shares = dict.fromkeys(sorted(strata), 0)
    while sum(shares.values()) < count:
        for stratum in shares:
            if shares[stratum] < len(strata[stratum]) and sum(shares.values()) < count:
                shares[stratum] += 1
    drawn = {
        strata[stratum][number * len(strata[stratum]) // share].source
        for stratum, share in shares.items()
        for number in range(share)
    }
    return [image for image in images if image.source in drawn]
