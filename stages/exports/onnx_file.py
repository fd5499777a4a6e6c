"""ONNX: a module as a serialised graph, and a graph as a function of tiles.

torch's exporter that follows the program (`dynamo=True`), not the older one that records a run: of EfficientNet-Lite0
it makes 101 nodes where the older makes 606, which compute paddings anew for every tile, and its graph is three times
as fast.
"""

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from stages.exports.graph import INPUT

Run = Callable[[NDArray[np.uint8]], dict[str, NDArray]]  # tiles (N, px, px, 3) -> output -> value


def to_onnx(graph: nn.Module, px: int, outputs: Sequence[str]) -> Any:
    """Return a module as an ONNX model of a dynamic number of tiles, without metadata.

    Args:
        graph: from tiles (N, px, px, 3) uint8 to as many tensors as there are names.
        px: side of a tile.
        outputs: their names.

    Returns:
        onnx.ModelProto.
    """
    tiles = torch.zeros(2, px, px, 3, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch and onnxscript about themselves
        program: Any = torch.onnx.export(
            graph,
            (tiles,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            input_names=[INPUT],
            output_names=list(outputs),
            verbose=False,
        )
    model = program.model_proto
    _forget(model)
    return model


def without_outputs(model: Any, names: Collection[str]) -> Any:
    """Return an ONNX model without some of its outputs and without the nodes that only they need."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    kept = [output for output in graph.output if output.name not in names]
    nodes = needed_nodes(found, [output.name for output in kept])
    chosen = [node for node in graph.node if node.name in nodes]
    read = {name for node in chosen for name in node.input}
    used = [weight for weight in graph.initializer if weight.name in read]
    for field, values in (("output", kept), ("node", chosen), ("initializer", used)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)
    return found


def needed_nodes(model: Any, outputs: Collection[str]) -> set[str]:
    """Return the names of the nodes that some outputs of an ONNX model are computed by."""
    needed, names = set(outputs), set()
    for node in reversed(model.graph.node):  # nodes stand in the order of computation
        if needed & set(filter(None, node.output)):
            needed |= set(node.input)
            names.add(node.name)
    return names


def serialised(model: Any) -> bytes:
    """Return an ONNX model as the bytes of a file: the same for the same model."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def open_graph(content: bytes) -> Run:
    """Return a serialised ONNX model as a function, computed by onnxruntime with as many threads as torch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda tiles: dict(zip(names, session.run(None, {INPUT: tiles}), strict=True))


def _forget(model: Any) -> None:
    """Remove what the exporter noted of this machine: files and lines of code, for every node; and inferred shapes."""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
