"""NEU-Seg: three kinds of defects of hot-rolled steel, pixel by pixel.

Folders images/ and annotations/, with training/ and test/ in both. A mask's values are 0 (no defect), 1 (inclusion), 2
(patches) and 3 (scratches); one image may show two kinds. Source: Dong et al., PGA-Net: pyramid feature fusion and
global context attention network for automated surface defect detection, IEEE Transactions on Industrial Informatics 16
(2020).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.datasets.bad_files import BadFiles, describe_images
from stages.datasets.images import PICTURE_SUFFIXES, SourceImage, read_image
from stages.datasets.lookalikes import find_alike, signature
from stages.datasets.matching import files_of, match_masks, twins
from stages.datasets.names import part_of
from stages.datasets.settings import Dataset
from stages.datasets.tree import child_folders, files_below, find_layout, only, some_images
from stages.runtime.errors import InputError

LOOKED_FOR = "folders images/ and annotations/, with training/ and test/ in both"
QUARTERS = 4
KINDS = ("inclusion", "patches", "scratches")  # of the values 1, 2, 3 of a mask


def read_neu_seg(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read NEU-Seg: kinds by the values of the masks, training and test as the publisher's parts.

    Groups are original photographs. Most of them are there four times, turned by 0, 90, 180 and 270 degrees, under
    unrelated names and across training and test; and into 85 a scratch or another defect was pasted, so that half of
    the picture is another one's. So images are one group, named after the first of them, when quarters of them (halves
    of both sides) look the same after a turn or reflection, see `stages.datasets.lookalikes`: 1,047 photographs of
    4,470 published images; whole images alone would tell 1,132.

    Raises:
        InputError: the layout is missing, it has no images, or one cannot be read or has no mask.
    """
    folder, paths, mask_of = find_masks(root)
    groups = _photographs(paths, folder, options)

    def describe(path: Path, source: str) -> SourceImage:
        mask = mask_of(path)
        group = groups[path]
        if isinstance(group, InputError):
            raise group
        return SourceImage(
            path=path,
            source=source,
            group=group,
            defect_class="",
            mask=mask,
            has_mask=True,
            mask_kinds=KINDS,
            official=part_of(path.relative_to(folder)),
        )

    return describe_images(paths, folder, describe, bad)


def find_masks(root: Path) -> tuple[Path, list[Path], Callable[[Path], Path]]:
    """Return the folder of NEU-Seg's layout, its images, and the function from one of them to its mask.

    Raises:
        InputError: the layout is missing or it has no images; and that function, where an image has no mask.
    """
    folder = only(find_layout(root, _is_neu_seg, LOOKED_FOR), root, LOOKED_FOR)
    paths = [path for images in child_folders(folder, {"images"}) for path in files_below(images, PICTURE_SUFFIXES)]
    some_images(paths, folder / "images")
    masks = [path for masks in child_folders(folder, {"annotations"}) for path in files_below(masks, PICTURE_SUFFIXES)]
    found, double = match_masks(paths, masks, folder), twins(paths)

    def mask_of(path: Path) -> Path:
        _, mask = files_of(path, double, found)
        if mask is None:
            raise InputError(f"{path}: no mask annotations/.../{path.stem}.png; add it or remove the image")
        return mask

    return folder, paths, mask_of


def _is_neu_seg(folder: Path) -> bool:
    return bool(child_folders(folder, {"images"}) and child_folders(folder, {"annotations"}))


def _quarters(pixels: np.ndarray) -> list[np.ndarray]:
    """Return the signatures of the four quarters of a picture, which turns and reflections map on one another."""
    height, width = (max(side // 2, 1) for side in pixels.shape[:2])
    return [
        signature(np.ascontiguousarray(part))
        for rows in (pixels[:height], pixels[-height:])
        for part in (rows[:, :width], rows[:, -width:])
    ]


def _photographs(paths: list[Path], folder: Path, options: Dataset) -> dict[Path, str | InputError]:
    """Return for each image the first one (by path) that shows the same photograph, or why it cannot be read."""
    groups: dict[Path, str | InputError] = {}
    read, signatures = [], []
    for path in sorted(paths, key=Path.as_posix):
        try:
            signatures += _quarters(read_image(path, options.bit_depth))
            read.append(path)
        except InputError as error:
            groups[path] = error
    if not read:
        return groups
    alike = find_alike(np.stack(signatures), np.stack(signatures))
    ends = (alike.first // QUARTERS, alike.second // QUARTERS)
    joins = coo_array((np.ones(len(alike.first)), ends), shape=(len(read), len(read)))
    _, photographs = connected_components(joins, directed=False)
    _, first = np.unique(photographs, return_index=True)
    names = [path.relative_to(folder).as_posix() for path in read]
    return groups | {path: names[first[photograph]] for path, photograph in zip(read, photographs, strict=True)}
