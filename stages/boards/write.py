"""The generated data set on disk, in the layout of HRIPCB plus exact masks.

    images/<Class>/<DD>_<kind>_<NN>.jpg      photograph of a board with defects of one kind
    Annotations/<Class>/<the same>.xml       Pascal VOC boxes
    masks/<Class>/<the same>.png             255 where the defects changed copper or holes, else 0
    PCB_USED/<DD>.JPG                        photograph of the clean board

DD is the design, from 01; NN counts the boards of a design and kind, from 01.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from stages.boards.camera import photograph
from stages.boards.defects import KINDS, Defect, changed_mask, paint_defects
from stages.boards.layers import draw_layers
from stages.boards.layout import Design, draw_design
from stages.boards.paint import board_texture, paint, repaint
from stages.boards.settings import Boards
from stages.runtime.errors import InputError
from stages.runtime.progress import progress


def generate_boards(boards: Boards, folder: Path) -> None:
    """Write the whole data set.

    Every number is drawn from `boards.seed`, the design, the kind and the board's counter alone, so the files are the
    same bytes in whatever order or number of threads they are made.

    Args:
        boards: the section of params.yaml.
        folder: where the data set is made.

    Raises:
        InputError: a board has no room for `boards.min_defects` defects.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        written = pool.map(lambda number: _write_design(boards, number, folder), range(boards.designs))
        for _ in progress(written, "boards", total=boards.designs):
            pass


def _write_design(boards: Boards, number: int, folder: Path) -> None:
    design = draw_design(boards.seed, number, boards.width_px, boards.height_px, boards.clutter)
    clean = draw_layers(design, np.random.default_rng([boards.seed, 4, number]))
    texture = board_texture(design.height, design.width, np.random.default_rng([boards.seed, 5, number]))
    image = paint(clean, design.style, texture)
    name = f"{number + 1:02d}"
    _write_photo(folder / f"PCB_USED/{name}.JPG", image, design, [boards.seed, 6, number])
    for kind_number, (kind, about) in enumerate(KINDS.items()):
        for counter in range(boards.boards_per_kind):
            seed = [boards.seed, 7, number, kind_number, counter]
            rng = np.random.default_rng(seed)
            count = int(rng.integers(boards.min_defects, boards.max_defects + 1))
            painted, defects = paint_defects(clean, design, kind, count, rng)
            if len(defects) < boards.min_defects:
                raise InputError(
                    f"params.yaml: boards.min_defects is {boards.min_defects}, but design {name} of "
                    f"{design.width} x {design.height} px has room for {len(defects)} of kind {kind}; "
                    "lower it or raise boards.width_px and boards.height_px"
                )
            stem = f"{about.folder}/{name}_{kind}_{counter + 1:02d}"
            view = repaint(image, painted, design.style, texture, [defect.bounds for defect in defects])
            _write_photo(folder / f"images/{stem}.jpg", view, design, [*seed, 8])
            _write(folder / f"masks/{stem}.png", cv2.imencode(".png", changed_mask(clean, painted))[1].tobytes())
            _write(folder / f"Annotations/{stem}.xml", _annotation(f"{stem}.jpg", design, defects).encode())


def _write_photo(path: Path, painted: np.ndarray, design: Design, seed: list[int]) -> None:
    photo = photograph(painted, design.style, np.random.default_rng(seed))
    quality = [cv2.IMWRITE_JPEG_QUALITY, design.style.jpeg]
    _write(path, cv2.imencode(".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), quality)[1].tobytes())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _annotation(image: str, design: Design, defects: list[Defect]) -> str:
    """Pascal VOC: it counts pixels from 1 and includes the last one, so a half-open box [a, b) is written a + 1, b."""
    folder, filename = image.split("/")
    objects = "".join(
        f"""	<object>
		<name>{defect.kind}</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>{defect.box[0] + 1}</xmin>
			<ymin>{defect.box[1] + 1}</ymin>
			<xmax>{defect.box[2]}</xmax>
			<ymax>{defect.box[3]}</ymax>
		</bndbox>
	</object>
"""
        for defect in defects
    )
    return f"""<annotation>
	<folder>{folder}</folder>
	<filename>{filename}</filename>
	<size>
		<width>{design.width}</width>
		<height>{design.height}</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
{objects}</annotation>
"""
