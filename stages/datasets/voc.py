"""Data sets with boxes in Pascal VOC XML: HRIPCB, the generated boards (the same layout), NEU-DET, and one's own."""

import re
from dataclasses import replace
from pathlib import Path, PurePath

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import PICTURE_SUFFIXES, SourceImage
from stages.datasets.matching import Content, sort_files
from stages.datasets.names import ANNOTATION_FOLDERS, IMAGE_FOLDERS, MASK_FOLDERS, PARTS, stem_of
from stages.datasets.pairs import Format, read_pairs
from stages.datasets.settings import Dataset
from stages.datasets.tree import child_folders, existing, files_below, find_layout, only, some_images
from stages.datasets.voc_xml import read_voc_xml
from stages.runtime.errors import InputError

LOOKED_FOR = "folders images/ and Annotations/ (VOC XML), or images with XML beside them"
TEMPLATES = "PCB_USED"  # HRIPCB's clean boards, which are no images to inspect

VOC = Format(".xml", read_voc_xml, False, "XML without objects")


def read_boards(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read the layout of HRIPCB: images/<Class>/*.jpg, Annotations/<Class>/*.xml and, where given, masks/<Class>/*.png.

    The group is the number that the file name starts with: the board design, of which a folder holds many images that
    differ in nothing but the painted defects. A name without such a number is a group of its own. For other layouts
    see `read_voc`.

    Raises:
        InputError: the layout, an image's XML or its mask is missing, or an XML is wrong.
    """
    return read_pairs(_find(root), VOC, options, bad, _leading_number, _folder_of)


def read_neu_det(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read NEU-DET: IMAGES/*.jpg and ANNOTATIONS/*.xml, or train/ and validation/ with both in each.

    Every image is its own group. The class is the one in the file's name (`<class>_<number>`: 300 images of each), as
    the publisher and the paper count; of other names it is what the boxes say. 123 files hold boxes of another class
    than their name: they tell where, not what. The publisher's train and validation folders are one set: on Kaggle
    the picture crazing_240 lies in the one and its XML in the other, and there is no test part.

    Raises:
        InputError: the layout or an image's XML is missing, or an XML is wrong.
    """
    form = replace(VOC, across_parts=True)
    return read_pairs(_find(root), form, options, bad, PurePath.as_posix, _name_before_number)


def read_voc(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read any images with VOC XML: in two folders (`images`, `JPEGImages`; `Annotations`, `labels`) or side by side.

    All of it may lie in train/, valid/ and test/, which are then the publisher's parts. Kinds are the names of the
    boxes. Groups are made by `dataset.group_pattern`.

    Raises:
        InputError: the layout, an image's XML or its mask is missing, or an XML is wrong.
    """
    return read_pairs(_find(root), VOC, options, bad)


def _find(root: Path) -> Content:
    """Return the files of the folders that have images and annotations apart, else of all that lie side by side."""
    existing(root, LOOKED_FOR)
    try:
        folders = find_layout(root, _is_pair, LOOKED_FOR)
    except InputError:
        if beside := _side_by_side(root):
            return beside
        raise
    if len(folders) > 1 and not all(folder.name.lower() in PARTS for folder in folders):
        only(folders, root, LOOKED_FOR)
    images: list[Path] = []
    annotations: list[Path] = []
    masks: list[Path] = []
    for folder in folders:
        for image_folder in child_folders(folder, IMAGE_FOLDERS):
            inside = sort_files(files_below(image_folder), folder, VOC.suffix)
            some_images(inside.images, image_folder)
            images += inside.images
            annotations += inside.annotations
            masks += inside.masks
        for annotation_folder in child_folders(folder, ANNOTATION_FOLDERS):
            annotations += files_below(annotation_folder, frozenset({VOC.suffix}))
        for mask_folder in child_folders(folder, MASK_FOLDERS):
            masks += files_below(mask_folder, PICTURE_SUFFIXES)
    return Content(folders[0] if len(folders) == 1 else root, images, annotations, masks)


def _side_by_side(root: Path) -> Content | None:
    """Return the files below `root`, or None where no image has an XML of its name in its folder."""
    files = [path for path in files_below(root) if TEMPLATES not in path.relative_to(root).parts]
    content = sort_files(files, root, VOC.suffix)
    annotated = {(path.parent, stem_of(path)) for path in content.annotations}
    return content if any((path.parent, stem_of(path)) in annotated for path in content.images) else None


def _is_pair(folder: Path) -> bool:
    return all(child_folders(folder, names) for names in (IMAGE_FOLDERS, ANNOTATION_FOLDERS))


def _folder_of(image: PurePath) -> str | None:
    """Return the folder that says the kind: the first below the images that is no part."""
    names = [name.lower() for name in image.parts[:-1]]
    start = max((at + 1 for at, name in enumerate(names) if name in IMAGE_FOLDERS), default=len(names))
    return next((name for name in image.parts[start:-1] if name.lower() not in PARTS), None)


def _name_before_number(image: PurePath) -> str | None:
    name = re.fullmatch(r"(\D+)_\d+", image.stem)
    return name.group(1) if name else None


def _leading_number(image: PurePath) -> str:
    number = re.match(r"\d+", image.stem)
    return number.group() if number else image.stem
