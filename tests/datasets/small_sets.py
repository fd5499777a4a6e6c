"""Tiny data sets on disk in their publishers' layouts, for tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import SourceImage
from stages.datasets.settings import Dataset
from stages.tiling.settings import Tile

NAMES = ("xmin", "ymin", "xmax", "ymax")
TILE = Tile(px=20, overlap_px=4, mode="window", border="drop", defect_threshold=0.01)


def read(
    reader: Callable[[Path, Dataset, BadFiles], list[SourceImage]],
    root: Path,
    bad: BadFiles | None = None,
    **options: Any,
) -> list[SourceImage]:
    """Read a data set with the options given and the defaults of the others."""
    return reader(root, Dataset(name="test", root=str(root), **options), bad or BadFiles())


def labelme(height: int, width: int, *shapes: tuple[str, str, list[list[float]]]) -> str:
    """Return labelme JSON; shapes are (label, kind, points)."""
    described = [{"label": label, "shape_type": kind, "points": points} for label, kind, points in shapes]
    return json.dumps({"imageHeight": height, "imageWidth": width, "imagePath": "x.jpg", "shapes": described})


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return H W 3 uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def spot(height: int, width: int) -> np.ndarray:
    """Return a mask, H W uint8: 255 in 6 x 6 px near its upper left corner, which touches no border."""
    mask = np.zeros((height, width), np.uint8)
    mask[2:8, 2:8] = 255
    return mask


def write_pixels(path: Path, pixels: np.ndarray) -> Path:
    """Write RGB or grey pixels under a name that says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


def voc(width: int, height: int, *boxes: tuple[int, int, int, int], name: str = "short") -> str:
    """Return VOC XML; boxes are (xmin, ymin, xmax, ymax) as they stand in the file."""
    size = f"<size><width>{width}</width><height>{height}</height><depth>1</depth></size>"
    objects = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in zip(NAMES, box, strict=True))
        + "</bndbox></object>"
        for box in boxes
    )
    return f"<annotation>{size}{objects}</annotation>"


def write_text(path: Path, text: str) -> Path:
    """Write text, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_board(
    root: Path, name: str, *boxes: tuple[int, int, int, int], height: int = 40, width: int = 60, seed: int = 0
) -> Path:
    """Write images/Short/<name>.png and its XML; return the image."""
    write_text(root / "Annotations/Short" / f"{name}.xml", voc(width, height, *boxes))
    return write_pixels(root / "images/Short" / f"{name}.png", noise(height, width, seed))


def write_magnetic(root: Path, class_name: str, stem: str, mask: np.ndarray, seed: int = 0) -> Path:
    """Write MT_<class>/Imgs/<stem>.jpg and its mask; return the image."""
    folder = root / f"MT_{class_name}" / "Imgs"
    write_pixels(folder / f"{stem}.png", mask)
    return write_pixels(folder / f"{stem}.jpg", noise(*mask.shape, seed))


def write_pair(root: Path, group: str, stem: str, *lines: str, height: int = 40, width: int = 60) -> Path:
    """Write DeepPCB's image, template and boxes file: tracks, and in the image white where the boxes are; return it."""
    folder = root / group / group.removeprefix("group")
    clean = np.full((height, width), 255, np.uint8)
    clean[::20] = clean[1::20] = clean[2::20] = clean[3::20] = clean[4::20] = 0
    tested = clean.copy()
    for line in lines:
        x_min, y_min, x_max, y_max, _ = map(int, line.split())
        part = tested[y_min + 1 : y_max - 1, x_min + 1 : x_max - 1]
        part[:] = 255 - part
    write_pixels(folder / f"{stem}_temp.png", clean)
    write_text(folder.with_name(f"{folder.name}_not") / f"{stem}.txt", "".join(f"{line}\n" for line in lines))
    return write_pixels(folder / f"{stem}_test.png", tested)


def write_casting(root: Path, per_folder: int = 2, px: int = 24) -> Path:
    """Write train and test with per_folder images of each label."""
    for part in ("train", "test"):
        for label in ("def_front", "ok_front"):
            for number in range(per_folder):
                write_pixels(root / part / label / f"{label}_{number}.jpeg", noise(px, px, number))
    return root


def source_image(path: Path, **changes: object) -> SourceImage:
    """Return a record of an image without any truth, changed as given."""
    described = {
        "path": path,
        "source": path.name,
        "group": path.stem,
        "defect_class": "short",
        "label": None,
        "boxes": None,
        "mask": None,
        "has_mask": False,
    }
    return SourceImage(**(described | changes))  # type: ignore[arg-type]


def write_own(root: Path, good: tuple[str, ...] = ("g1",), defective: tuple[str, ...] = ("scratch/d1", "d2")) -> Path:
    """Write good/<name>.png and defective/<name>.png of 30x20 px."""
    for seed, name in enumerate([f"good/{stem}" for stem in good] + [f"defective/{stem}" for stem in defective]):
        write_pixels(root / f"{name}.png", noise(20, 30, seed))
    return root
