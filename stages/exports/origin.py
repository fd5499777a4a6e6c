"""Where an exported file comes from: the commit of the repository, and the versions of what made it."""

import platform
import subprocess

import onnx
import onnxruntime
import timm
import torch


def commit() -> str | None:
    """Return the commit that is checked out, `-dirty` behind it where code or parameters differ; None outside git."""
    head = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", "stages", "params.yaml", "dvc.yaml")
    return f"{head}-dirty" if head and changed else head or None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that the file's content depends on."""
    libraries = {"torch": torch, "timm": timm, "onnx": onnx, "onnxruntime": onnxruntime}
    return {"python": platform.python_version(), **{name: str(one.__version__) for name, one in libraries.items()}}


def _git(*arguments: str) -> str:
    """Run git and return what it prints; "" where it fails, or is not there."""
    try:
        return subprocess.run(["git", *arguments], text=True, capture_output=True, check=False).stdout.strip()
    except OSError:
        return ""
