"""The casting data set, which has labels only: train/ and test/, each with def_front/ and ok_front/."""

from pathlib import Path

from stages.datasets.images import SourceImage
from stages.datasets.layout import find_one_layout, images_below

LOOKED_FOR = "folders train/ and test/, each with def_front/ and ok_front/"
LABELS = {"def_front": ("defective", "casting_defect"), "ok_front": ("good", "good")}


def read_casting(root: Path) -> list[SourceImage]:
    """Read the casting data set; every image is its own group.

    Raises:
        InputError: the layout is missing or a folder of it has no images.
    """
    folder = find_one_layout(root, _is_casting, LOOKED_FOR)
    images = [
        SourceImage(
            path=path,
            source=path.relative_to(folder).as_posix(),
            group=path.relative_to(folder).as_posix(),
            defect_class=defect_class,
            label=label,
            boxes=None,
            mask=None,
            has_mask=False,
        )
        for part in ("train", "test")
        for name, (label, defect_class) in LABELS.items()
        for path in images_below(folder / part / name)
    ]
    return sorted(images, key=lambda image: image.source)


def _is_casting(folder: Path) -> bool:
    return all((folder / part / name).is_dir() for part in ("train", "test") for name in LABELS)
