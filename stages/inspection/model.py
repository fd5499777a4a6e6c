"""The exported model: one ONNX file that says by itself how it is to be used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.exports.metadata import Metadata, parse_metadata
from stages.exports.seal import METADATA_KEY, check_seal
from stages.records.hashes import file_sha256
from stages.runtime.convert import convert
from stages.runtime.errors import InputError
from stages.tiling.settings import Tile

GOOD = "good"
OUTPUTS = ["probability", "heatmap", "features"]


@dataclass(frozen=True)
class Said:
    """What the model says of n tiles.

    Attributes:
        probability: (n,) of a defect, 0..1.
        maps: (n, rows, columns) heatmaps.
        features: (n, C), pooled.
        kinds: (n,) the likeliest kind of defect, an index into the classes.
    """

    probability: NDArray[np.float32]
    maps: NDArray[np.float32]
    features: NDArray[np.float32]
    kinds: NDArray[np.intp]


@dataclass(frozen=True)
class LineModel:
    """An opened model.

    Attributes:
        session: of onnxruntime.
        metadata: what the file says of itself.
        tile: how images were cut in training.
        sha256: of the file.
    """

    session: Any
    metadata: Metadata
    tile: Tile
    sha256: str

    def forward(self, tiles: NDArray[np.uint8]) -> Said:
        """Run n tiles (n, px, px, 3) RGB."""
        probability, maps, features = self.session.run(OUTPUTS, {"tiles": tiles})
        if probability.ndim == 1:
            return Said(probability, maps, features, np.ones(len(tiles), np.intp))
        kinds, defect = probability.copy(), np.ones(len(tiles), np.float32)
        if GOOD in self.metadata.classes:
            good = self.metadata.classes.index(GOOD)
            defect = 1 - probability[:, good]
            kinds[:, good] = -1
        return Said(defect, maps, features, kinds.argmax(axis=1))


def open_model(path: Path, threads: int = 0) -> LineModel:
    """Open an exported model, after its seal has shown that it is whole and nobody changed it.

    Args:
        path: the file.
        threads: of the forward pass; 0: all processors.

    Raises:
        InputError: the file is missing, not ours, cut, changed or written by a newer version; onnxruntime is missing or
            cannot run it.
    """
    check_seal(path)
    try:
        import onnxruntime
    except ImportError:
        raise InputError("inspect needs onnxruntime; pip install 'defectlens[inspect]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class; the file is whole, so this runtime does not know it
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: onnxruntime cannot open it ({reason}); update onnxruntime") from None
    metadata = parse_metadata(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), path)
    cut = {name: getattr(metadata.tile, name) for name in ("px", "overlap_px", "mode", "border")}
    try:
        tile: Tile = convert(cut | {"defect_threshold": 0.0}, Tile, "tile")
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix('params.yaml: ')}; export it again") from None
    return LineModel(session, metadata, tile, file_sha256(path))
