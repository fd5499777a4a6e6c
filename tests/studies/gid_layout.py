"""Images with labelme outlines, laid out as GID is said to be: for each a JSON list of categories and polygons."""

import json
import shutil
from pathlib import Path


def as_gid(labelme: Path, folder: Path) -> Path:
    """Write GID's layout from a folder of images and labelme JSONs with polygons; return its folder."""
    folder.mkdir()
    images = {path.stem: path for path in labelme.rglob("*") if path.suffix in (".jpg", ".png")}
    for file in sorted(labelme.rglob("*.json")):
        shapes = json.loads(file.read_text(encoding="utf-8"))["shapes"]
        shutil.copy(images[file.stem], folder)
        defects = [{"category": 1, "segmentation": shape["points"]} for shape in shapes]
        (folder / file.name).write_text(json.dumps(defects), encoding="utf-8")
    return folder
