"""Each data set in its layout, two or three small images of it, for tests that go through all readers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.datasets.small_sets import (
    labelme,
    noise,
    spot,
    voc,
    write_board,
    write_casting,
    write_magnetic,
    write_pair,
    write_pixels,
    write_text,
)

BOX = (1, 1, 10, 10)
SHAPE = ("pit", "polygon", [[1, 1], [9, 1], [9, 9]])


def boards(root: Path) -> None:
    write_board(root, "01_a", BOX)
    write_board(root, "02_b")
    write_pixels(root / "masks/Short/01_a.png", spot(40, 60))


def neu_det(root: Path) -> None:
    for number in (1, 2):
        write_text(root / f"ANNOTATIONS/patches_{number}.xml", voc(20, 20, BOX, name="patches"))
        write_pixels(root / f"IMAGES/patches_{number}.jpg", noise(20, 20, number))


def magnetic_tile(root: Path) -> None:
    write_magnetic(root, "Break", "exp1_num_1", spot(20, 20))
    write_magnetic(root, "Free", "exp1_num_2", np.zeros((20, 20), np.uint8))


def neu_seg(root: Path) -> None:
    for number, part in enumerate(("training", "test"), 1):
        write_pixels(root / f"images/{part}/{number}.jpg", noise(20, 20, number))
        write_pixels(root / f"annotations/{part}/{number}.png", spot(20, 20) // 255 * number)


def deeppcb(root: Path) -> None:
    write_pair(root, "group1", "1", "2 2 8 8 3")
    write_pair(root, "group2", "2")


def labelled(root: Path) -> None:
    for number in (1, 2):
        write_text(root / f"{number}.json", labelme(20, 20, SHAPE))
        write_pixels(root / f"{number}.png", noise(20, 20, number))


def gid(root: Path) -> None:
    for number in (1, 2):
        write_text(root / f"label/{number}.json", '[{"category": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}]')
        write_pixels(root / f"image/{number}.jpg", noise(20, 20, number))


def elpv(root: Path) -> None:
    write_text(root / "labels.csv", "images/1.png 1.0 mono\nimages/2.png 0.0 poly\n")
    for number in (1, 2):
        write_pixels(root / f"images/{number}.png", noise(20, 20, number))


def folder(root: Path) -> None:
    write_pixels(root / "good/1.png", noise(20, 20))
    write_text(root / "defective/2.xml", voc(20, 20, BOX))
    write_pixels(root / "defective/2.bmp", noise(20, 20))
    write_pixels(root / "masks/2.tif", spot(20, 20))


def mvtec(root: Path) -> None:
    for number, name in enumerate(("train/good/0", "test/good/0", "test/scratch/0")):
        write_pixels(root / f"{name}.png", noise(20, 20, number))
    write_pixels(root / "ground_truth/scratch/0_mask.png", spot(20, 20))


def visa(root: Path) -> None:
    for number, name in enumerate(("Normal/00", "Anomaly/0")):
        write_pixels(root / f"Data/Images/{name}.png", noise(20, 20, number))
    write_pixels(root / "Data/Masks/Anomaly/0.png", spot(20, 20))


def coco(root: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.png", "height": 20, "width": 20} for number in (1, 2)]
    outline = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "segmentation": [[1, 1, 9, 1, 9, 9]]}
    runs = {"id": 2, "image_id": 2, "category_id": 1, "segmentation": {"size": [20, 20], "counts": [22, 9, 369]}}
    content = {"images": images, "categories": [{"id": 1, "name": "pit"}], "annotations": [outline, runs]}
    write_text(root / "annotations/instances.json", json.dumps(content))
    for number in (1, 2):
        write_pixels(root / f"images/{number}.png", noise(20, 20, number))


def yolo(root: Path) -> None:
    write_text(root / "data.yaml", "names: {0: pit, 1: dent}\n")
    for number, line in ((1, "0 0.5 0.5 0.2 0.2"), (2, "1 0.1 0.1 0.5 0.1 0.5 0.5")):
        write_text(root / f"train/labels/{number}.txt", f"{line}\n")
        write_pixels(root / f"train/images/{number}.png", noise(20, 20, number))


def side_by_side(root: Path) -> None:
    for number in (1, 2):
        write_text(root / f"train/{number}.xml", voc(20, 20, BOX))
        write_pixels(root / f"train/{number}.png", noise(20, 20, number))


WRITERS: dict[str, Callable[[Path], object]] = {
    "boards": boards,
    "pcb": boards,
    "neu_det": neu_det,
    "magnetic_tile": magnetic_tile,
    "neu_seg": neu_seg,
    "deeppcb": deeppcb,
    "casting": lambda root: write_casting(root, per_folder=1),
    "elpv": elpv,
    "mvtec": mvtec,
    "visa": visa,
    "coco": coco,
    "yolo": yolo,
    "voc": side_by_side,
    "labelme": labelled,
    "gid": gid,
    "folder": folder,
}
