"""Exact masks from clean boards: painted defects are found again through JPEG, and nothing else is."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box
from stages.datasets.mask_files import read_derived
from stages.datasets.orientation import upright
from stages.datasets.settings import Dataset
from stages.datasets.templates import UNCLEAR, attach_masks, change_mask, derive_masks, find_templates
from stages.datasets.truths import read_annotated
from stages.datasets.voc import read_boards
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from tests.datasets.small_sets import voc, write_pixels, write_text
from tests.datasets.test_orientation import tagged

HEIGHT, WIDTH = 160, 200
GREEN, COPPER = (20, 90, 30), (60, 150, 70)


def read(root):
    options = replace(read_params().read(Dataset), name="pcb", root=str(root))
    return read_boards(root, options, BadFiles(skip=False))


def board(seed=0):
    """Return a board with tracks and pads."""
    pixels = np.full((HEIGHT, WIDTH, 3), GREEN, np.uint8)
    rng = np.random.default_rng(seed)
    for y in range(15, HEIGHT, 30):
        cv2.line(pixels, (0, y), (WIDTH, y + int(rng.integers(-5, 6))), COPPER, 7)
    for x, y in rng.integers(20, 140, (6, 2)):
        cv2.circle(pixels, (int(x), int(y)), 9, (180, 175, 170), -1)
    return pixels


def paint(pixels, number=0):
    """Return the board with one defect, its truth and its box in the file's numbers."""
    truth = np.zeros(pixels.shape[:2], np.uint8)
    x, y = 40 + 25 * number, 50 + 10 * number
    cv2.ellipse(truth, (x, y), (9, 5), 30 * number, 0, 360, 1, -1)
    painted = pixels.copy()
    painted[truth > 0] = 200 - pixels[truth > 0]
    return painted, truth > 0, (x - 20, y - 18, x + 20, y + 18)


def jpeg(pixels, quality):
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def write(root, name, pixels, *boxes):
    path = write_pixels(root / "images/Short" / f"{name}.png", pixels)
    write_text(root / "Annotations/Short" / f"{name}.xml", voc(pixels.shape[1], pixels.shape[0], *boxes))
    return path


def derive(root, workers=2):
    return derive_masks(
        read(root), find_templates(root, "PCB_USED"), root.parent / "masks", workers, BadFiles(skip=False)
    )


def mask_of(root, name):
    return read_derived(root.parent / f"masks/Short/{name}.png")[0]


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("number", range(4))
def test_a_painted_defect_is_found_again_through_two_compressions(number):
    clean = board(number)
    painted, truth, (x_min, y_min, x_max, y_max) = paint(clean, number)
    box = Box(x_min, y_min, x_max, y_max, "short")
    mask, unchanged = change_mask(jpeg(painted, 88), jpeg(clean, 96), [box])
    assert unchanged == []
    assert iou(mask, truth) > 0.8


def test_without_noise_a_rectangle_loses_its_corners_only():
    clean = np.full((60, 60, 3), 90, np.uint8)
    painted = clean.copy()
    painted[20:30, 20:40] = 140
    mask, _ = change_mask(painted, clean, [Box(10, 10, 50, 50, "short")])
    truth = np.zeros((60, 60), bool)
    truth[20:30, 20:40] = True
    assert np.argwhere(mask != truth).tolist() == [[20, 20], [20, 39], [29, 20], [29, 39]]


def test_changes_outside_the_boxes_and_specks_do_not_count():
    clean = board()
    painted, truth, (x_min, y_min, x_max, y_max) = paint(clean)
    painted[140:150, 150:170] = 255
    painted[y_min + 2, x_min + 2] = 255
    mask, _ = change_mask(painted, clean, [Box(x_min, y_min, x_max, y_max, "short")])
    assert not mask[100:].any() and not mask[y_min + 2, x_min + 2]
    assert iou(mask, truth) > 0.8


def test_templates_where_they_are_and_medians_where_not(tmp_path):
    root = tmp_path / "set"
    write_pixels(root / "PCB_USED/01.JPG", board(1))
    truths = {}
    for group in ("01", "02"):
        for number in range(4):
            painted, truth, box = paint(board(int(group)), number)
            write(root, f"{group}_{number}", painted, box)
            truths[f"{group}_{number}"] = truth
    record = derive(root)
    assert record["references"] == {"01": "template", "02": "median"}
    assert (record["images"], record["boxes"], record["boxes_without_change"]) == (8, 8, {})
    assert min(iou(mask_of(root, name), truth) for name, truth in truths.items()) > 0.75
    first = {path.name: path.read_bytes() for path in (tmp_path / "masks").rglob("*.png")}
    derive(root, workers=1)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "masks").rglob("*.png")}


def test_a_box_without_change_is_counted_and_marked(tmp_path):
    root = tmp_path / "set"
    write_pixels(root / "PCB_USED/01.png", board())
    painted, _, box = paint(board())
    write(root, "01_a", painted, box, (150, 120, 170, 140))
    assert derive(root)["boxes_without_change"] == {"images/Short/01_a.png": 1}
    grey = cv2.imread(str(tmp_path / "masks/Short/01_a.png"), cv2.IMREAD_UNCHANGED)
    assert (grey[119:140, 149:170] == UNCLEAR).all()
    assert set(np.unique(grey)) == {0, UNCLEAR, 255}


@pytest.mark.parametrize(
    ("template", "problem"), [(board()[:100], "is 200x100 px but"), (np.roll(board(), (13, 40), (0, 1)), "not aligned")]
)
def test_a_template_that_does_not_fit_gives_way_to_the_median_or_is_refused(tmp_path, template, problem):
    root = tmp_path / "set"
    write_pixels(root / "PCB_USED/01.png", template)
    for number in range(2):
        painted, _, box = paint(board(), number)
        write(root, f"01_{number}", painted, box)
    with pytest.raises(InputError, match=rf"^board 01: .*{problem}.*too few.*dataset\.derive_masks to false$"):
        derive(root)
    painted, truth, box = paint(board(), 2)
    write(root, "01_2", painted, box)
    assert derive(root)["references"]["01"].startswith("median (")
    assert iou(mask_of(root, "01_2"), truth) > 0.75


def test_images_of_one_board_with_other_extents_are_refused(tmp_path):
    root = tmp_path / "set"
    write_pixels(root / "PCB_USED/01.png", board())
    painted, _, box = paint(board())
    write(root, "01_a", painted, box)
    write(root, "01_b", painted[:100], box)
    with pytest.raises(InputError, match=r"01_b\.png: 200x100 px, but board 01 is 200x160 px"):
        derive(root)


def test_masks_are_attached_and_a_missing_one_is_named(tmp_path):
    root = tmp_path / "set"
    write_pixels(root / "PCB_USED/01.png", board())
    painted, _, box = paint(board())
    write(root, "01_a", painted, box)
    write(root, "01_good", board())
    images = read(root)
    assert attach_masks(images, tmp_path / "masks", BadFiles(skip=False)) == images
    derive(root)
    attached = attach_masks(images, tmp_path / "masks", BadFiles(skip=False))
    assert [(image.has_mask, image.mask) for image in attached] == [
        (True, tmp_path / "masks/Short/01_a.png"),
        (True, None),
    ]
    assert attach_masks(attached, tmp_path / "other", BadFiles(skip=False)) == attached
    (tmp_path / "masks/Short/01_a.png").unlink()
    with pytest.raises(InputError, match=r"01_a\.png: missing; run the download stage again"):
        attach_masks(images, tmp_path / "masks", BadFiles(skip=False))


def test_a_turned_photograph_gets_its_mask_where_its_defect_is_seen(tmp_path):
    clean = board()
    painted, truth, box = paint(clean)
    write_pixels(tmp_path / "root/PCB_USED/01.png", clean)
    write(tmp_path / "root", "01_a", painted, box)
    tagged(tmp_path / "root/images/Short/01_a.png", upright(painted, 8), 6)  # stored turned, the XML drawn upright
    derive(tmp_path / "root")
    assert iou(mask_of(tmp_path / "root", "01_a"), truth) > 0.9
    (image,) = attach_masks(read(tmp_path / "root"), tmp_path / "masks", BadFiles())
    seen = read_annotated(image)
    assert np.array_equal(seen.pixels, painted)
    assert iou(seen.truths["exact"], truth) > 0.9
