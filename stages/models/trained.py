"""A trained model on disk: data/models/<model>/model.safetensors and model.json."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from stages.models.registry import Architecture
from stages.models.weights import Classifier, build_classifier
from stages.runtime.errors import InputError
from stages.runtime.records import new_folder, read_json, write_json


def save_classifier(folder: Path, model: Classifier, description: dict[str, Any]) -> None:
    """Write weights and description; loading needs family, arch, stride, stem, depth, px, task and classes."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    with new_folder(folder) as temporary:
        # as bytes, because safetensors hides the system's error when it writes to a file itself
        (temporary / "model.safetensors").write_bytes(save(state))
        write_json(temporary / "model.json", description)


def load_classifier(folder: Path) -> tuple[Classifier, dict[str, Any]]:
    """Return a trained model in evaluation mode and its description.

    Raises:
        InputError: a file is missing, broken or of another model.
    """
    description = read_json(folder / "model.json")
    try:
        architecture = Architecture(*(description[key] for key in ("family", "arch", "stride", "stem", "depth")))
        neurons = 1 if description["task"] == "binary" else len(description["classes"])
        model = build_classifier(architecture, description["px"], neurons=neurons)
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except KeyError as error:
        raise InputError(f"{folder / 'model.json'}: {error} is missing; train again") from None
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder / 'model.safetensors'}: does not load ({reason}); train again") from None
    return channels_last(model).eval(), description


def channels_last(model: Classifier) -> Classifier:
    """Lay convolutions out as N H W C, which more than doubles their speed on a CPU."""
    return model.to(memory_format=torch.channels_last)
