"""Maps refined by the picture of their tile: the guided filter (He, Sun and Tang 2013, "Guided image filtering").

    q_i = mean over windows k that hold i of (a_k I_i + b_k)
    a_k = cov_k(I, p) / (var_k(I) + eps),   b_k = mean_k(p) - a_k mean_k(I)

I is the tile's luminance, p the map enlarged bilinearly, q the refined map; windows are squares of 2 radius + 1 cells.
Where the tile has an edge (a variance of luminance well above eps) the map gets one too; where it is even, the map is
smoothed. The filter is linear in the map, so a map may have any scale.

The filter also smooths, as any mean over windows does. What of its gain is smoothing alone says the same map without a
picture, which the filter becomes where it sees no edge (eps infinite, so that a_k is 0): two means over the windows.

It runs on cells of `cell_px`, over which the tile is averaged: with cells of 1 px it is the published filter, with
cells of 4 px it takes a sixteenth of the time and of the space on disk, and sees no detail below 4 px. Deviations: at
the border kornia mirrors the picture, where the authors cut windows off.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from stages.explainers.grids import Grid, resample
from stages.explainers.settings import ExplainCommon, Guided
from stages.runtime.errors import InputError

LUMINANCE = 0.299, 0.587, 0.114  # of red, green and blue (ITU-R BT.601)


def refine(maps: Tensor, cells: Grid, images: Tensor, settings: Guided) -> Tensor:
    """Return maps refined by their tiles.

    Args:
        maps: (N, S, h, w), any range.
        cells: where theirs lie.
        images: (N, 3, px, px) the tiles, 0..1.
        settings: px is a multiple of `cell_px`, see `refuse_guided`.

    Returns:
        (N, S, px / cell_px, px / cell_px). A constant map stays exactly constant.
    """
    from kornia.filters import guided_blur  # here, because most runs refine nothing

    weights = torch.tensor(LUMINANCE, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    guide = torch.nn.functional.avg_pool2d((images * weights).sum(dim=1, keepdim=True), settings.cell_px)
    return _filtered(
        lambda places, window: guided_blur(guide, places, window, settings.eps, separable=True),
        maps,
        cells,
        images,
        settings,
    )


def blur(maps: Tensor, cells: Grid, images: Tensor, settings: Guided) -> Tensor:
    """Return maps on the cells of the refined ones, smoothed as much, but without a look at their tiles.

    Arguments and shapes as `refine`; of the images their side counts alone.
    """
    from kornia.filters import box_blur

    return _filtered(lambda places, window: box_blur(box_blur(places, window), window), maps, cells, images, settings)


def _filtered(
    smooth: Callable[[Tensor, int], Tensor], maps: Tensor, cells: Grid, images: Tensor, settings: Guided
) -> Tensor:
    """Return maps enlarged to the filter's cells and filtered; arguments of `smooth`: 0 to 1, side of a window."""
    px, count = images.shape[-1], images.shape[-1] // settings.cell_px
    rough = resample(maps, cells, Grid(px, settings.cell_px), count, count)
    low = rough.amin(dim=(2, 3), keepdim=True)
    span = rough.amax(dim=(2, 3), keepdim=True) - low
    places = (rough - low) / torch.where(span > 0, span, 1)  # 0 to 1, so that rounding does not depend on the scale
    return low + span * smooth(places, 2 * (settings.radius_px // settings.cell_px) + 1)


def refuse_guided(parameters: ExplainCommon, px: int) -> None:
    """Raise an `InputError` where `explain.guided` does not go with tiles of px x px."""
    guided = parameters.guided
    if parameters.refine == "none":
        return
    if px % guided.cell_px:
        raise InputError(
            f"params.yaml: explain.guided.cell_px is {guided.cell_px}; expected a divisor of the tile's {px} pixels"
        )
    if guided.radius_px % guided.cell_px or 2 * guided.radius_px > px:
        raise InputError(
            f"params.yaml: explain.guided.radius_px is {guided.radius_px}; expected a multiple of its cell_px, "
            f"{guided.cell_px}, of at most half the tile's {px} pixels"
        )
