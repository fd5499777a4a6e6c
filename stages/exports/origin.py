"""The versions of what made an exported file."""

import platform

import onnx
import onnxruntime
import timm
import torch


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that the file's content depends on."""
    libraries = {"torch": torch, "timm": timm, "onnx": onnx, "onnxruntime": onnxruntime}
    return {"python": platform.python_version(), **{name: str(one.__version__) for name, one in libraries.items()}}
