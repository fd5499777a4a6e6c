"""The magnetic tile data set: MT_<Class>/Imgs/*.jpg with an exact mask of the same name, *.png, beside each image.

File names read exp<E>_num_<N>.jpg: E is one of six exposures, N counts frames. No N occurs twice; the six photographs
of one part have six neighbouring N (mostly 10 to 40 apart) and are nearly the same picture, so they must not be split.
"""

import re
from pathlib import Path

from stages.datasets.bad_files import BadFiles, describe_images
from stages.datasets.images import SourceImage
from stages.datasets.mask_files import read_mask
from stages.datasets.settings import Dataset
from stages.datasets.tree import child_folders, files_below, find_layout, only
from stages.runtime.errors import InputError

LOOKED_FOR = "folders MT_<Class>/Imgs/ with *.jpg and *.png"
GOOD = "MT_Free"
# Four published masks are black although their images lie in a folder of defects. A copy where they are mended is used.
EMPTY_MASKS = frozenset(
    f"MT_Uneven/Imgs/{stem}.jpg" for stem in ("exp3_num_45042", "exp4_num_45057", "exp4_num_124690", "exp4_num_352527")
)
FRAME_GAP = 200  # frames further apart than this belong to different parts

_FRAME = re.compile(r"exp\d+_num_(\d+)")


def read_magnetic_tile(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read the magnetic tile data set; MT_Free is good.

    Groups: images are put in order of frame number, and a gap of more than 200 frames starts a new group, named after
    its first frame. On the published 1,344 images that makes 202 groups, 164 of them of exactly six images; parts
    photographed in turn share a group. A file name of another form is a group of its own.

    The four images whose published masks are empty (`EMPTY_MASKS`) are left out: without their masks nothing says where
    they are defective, and an empty truth would call every mark on them wrong.

    Raises:
        InputError: the layout is missing, it has no images, or an image has no mask.
    """
    folder = only(find_layout(root, lambda path: bool(_classes(path)), LOOKED_FOR), root, LOOKED_FOR)
    suffixes = frozenset({".jpg", ".jpeg"})
    paths = [path for kind in _classes(folder) for path in files_below(kind / "Imgs", suffixes)]
    if not paths:
        raise InputError(f"{folder}: no images in MT_<Class>/Imgs/*.jpg; check dataset.root")
    groups = _groups(paths, folder)
    empty = {path: path.relative_to(folder).as_posix() for path in paths if _is_known_empty(path, folder)}
    bad.leave_out(
        list(empty.values()), "its published mask is empty although it lies in MT_Uneven; draw the mask to use it"
    )

    def describe(path: Path, source: str) -> SourceImage:
        mask = path.with_suffix(".png")
        if not mask.is_file():
            raise InputError(f"{mask}: missing; every image needs its mask beside it (all black for a good one)")
        class_name = path.relative_to(folder).parts[0]
        return SourceImage(
            path=path,
            source=source,
            group=groups[path],
            defect_class="good" if class_name == GOOD else class_name.removeprefix("MT_"),
            mask=mask,
            has_mask=True,
        )

    return describe_images([path for path in paths if path not in empty], folder, describe, bad)


def _classes(folder: Path) -> list[Path]:
    return [child for child in child_folders(folder) if child.name.startswith("MT_") and (child / "Imgs").is_dir()]


def _is_known_empty(path: Path, folder: Path) -> bool:
    mask = path.with_suffix(".png")
    known = path.relative_to(folder).as_posix() in EMPTY_MASKS
    return known and mask.is_file() and not read_mask(mask).pixels.any()


def _groups(paths: list[Path], folder: Path) -> dict[Path, str]:
    frames = {path: _FRAME.fullmatch(path.stem) for path in paths}
    groups = {path: path.relative_to(folder).as_posix() for path, frame in frames.items() if not frame}
    first = last = -1
    for number, path in sorted((int(frame.group(1)), path) for path, frame in frames.items() if frame):
        if first < 0 or number - last > FRAME_GAP:
            first = number
        last = number
        groups[path] = f"frame-{first}"
    return groups
