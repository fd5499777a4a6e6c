"""Which part of a layer's input must run again when a window of it changed, along one axis."""

from dataclasses import dataclass

from stages.models.geometry import Reach


@dataclass(frozen=True)
class Crop:
    """One layer on crops; lists have one entry per window position, extents are the same for all."""

    starts: list[int]  # of what changed in the layer's input
    crop_starts: list[int]  # of the crop that runs, a multiple of the layer's stride
    extent: int  # of the crop
    inside_starts: list[int]  # of what changed, in the crop's output
    changed_starts: list[int]  # of what changed, in the layer's output
    changed_extent: int


def plan_crops(starts: list[int], changed: int, length: int, output_length: int, reach: Reach) -> Crop:
    """Plan one layer.

    A crop holds all that the changed outputs see, or ends where the image ends, so that padding falls where it falls
    on the whole. Its extent leaves the same remainder by the stride as the whole: `same` padding depends on it.

    Args:
        starts: of the windows that changed in the layer's input; one that reaches beyond the input is cut off.
        changed: their extent.
        length, output_length: of the layer's whole input and output.
        reach: what each output sees.
    """
    stride = reach.stride
    ends = [min(start + changed, length) - 1 for start in starts]
    low = [max(0, -((reach.last - start) // stride)) for start in starts]
    high = [min(output_length - 1, (end - reach.first) // stride) for end in ends]
    extent_out = max(1, *(last - first + 1 for first, last in zip(low, high, strict=True)))
    changed_starts = [max(0, min(first, output_length - extent_out)) for first in low]
    needed = [
        (
            max(0, min(start, stride * out + reach.first)),
            min(length - 1, max(end, stride * (out + extent_out - 1) + reach.last)),
        )
        for start, end, out in zip(starts, ends, changed_starts, strict=True)
    ]
    crop_starts = [first // stride * stride for first, _ in needed]
    extent = max(last - start + 1 for start, (_, last) in zip(crop_starts, needed, strict=True))
    extent = min(length, extent + (length - extent) % stride)
    crop_starts = [min(start, length - extent) for start in crop_starts]
    inside = [out - start // stride for out, start in zip(changed_starts, crop_starts, strict=True)]
    return Crop(starts, crop_starts, extent, inside, changed_starts, extent_out)
