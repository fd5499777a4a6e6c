"""Smaller numbers inside an exported graph. A precision is a function here and a line in `PRECISIONS`.

What goes in and comes out stays the same. The last layer, whose map is shown, and what rolls attention out stay in
float32: they are a few operations, and a map of 256 steps would be one of steps, not of places.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from stages.exports.graph import INPUT
from stages.exports.onnx_file import needed_nodes
from stages.exports.settings import Precision

Batches = list[NDArray[np.uint8]]
Convert = Callable[[Any, Batches], Any]  # ONNX model, validation tiles to calibrate by -> ONNX model

HEAD = "model.head.weight"  # ends the name of the weights of the last layer, in every graph
CALIBRATION_BATCHES = 13  # of 16 tiles: as many as are compared


def convert(model: Any, precision: Precision, batches: Batches) -> Any:
    """Return an ONNX model in a precision; of float32 the model itself."""
    return PRECISIONS[precision](model, batches)


def unchanged(model: Any, batches: Batches) -> Any:
    """Return the model: it is in float32."""
    return model


def to_float16(model: Any, batches: Batches) -> Any:
    """Return the model with its weights and most operations in half precision.

    onnxruntime has half precision for few operations on a CPU and converts back for each other: half the file, not
    faster.
    """
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    return convert_float_to_float16(
        onnx.shape_inference.infer_shapes(model),
        keep_io_types=True,
        node_block_list=_shown(model),
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, "Softmax", "Cast"],
    )


def to_int8(model: Any, batches: Batches) -> Any:
    """Return the model with 8 bit weights (one scale per output channel) and 8 bit activations (one per tensor).

    The scales of activations are those of the lowest and highest value on the tiles. Convolutions and products with
    weights are converted; attention, softmax and normalisation are not.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Tiles(CalibrationDataReader):  # type: ignore[misc]
        """Validation tiles, batch by batch."""

        def __init__(self) -> None:
            self._left: Iterator[NDArray[np.uint8]] = iter(batches[:CALIBRATION_BATCHES])

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            """Return the next batch as the graph's input; None after the last."""
            tiles = next(self._left, None)
            return None if tiles is None else {INPUT: tiles}

    with tempfile.TemporaryDirectory() as folder, _without_advice():
        source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())
        quantize_static(
            source,
            target,
            Tiles(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            nodes_to_exclude=_shown(model),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        return onnx.load(target)


PRECISIONS: dict[Precision, Convert] = {"float32": unchanged, "float16": to_float16, "int8": to_int8}


@contextmanager
def _without_advice() -> Iterator[None]:
    """Within it onnxruntime does not say, at every call, that its own preparation of the graph is missing.

    That folds batch normalisation into convolutions, which torch's exporter has done.
    """
    logger = logging.getLogger()
    logger.addFilter(_no_advice)
    try:
        yield
    finally:
        logger.removeFilter(_no_advice)


def _no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()


def _shown(model: Any) -> list[str]:
    """Return the names of the nodes that stay in float32: the last layer, all after it, what the map alone needs."""
    after, names = {weight.name for weight in model.graph.initializer if weight.name.endswith(HEAD)}, set()
    for node in model.graph.node:
        if after & set(node.input):
            after |= set(node.output)
            names.add(node.name)
    of_map, of_logits = (needed_nodes(model, [output]) for output in ("heatmap", "logits"))
    return [node.name for node in model.graph.node if node.name in names | (of_map - of_logits)]
