"""A trained model on disk: data/models/<model>/model.safetensors and model.json."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from stages.models.registry import Architecture
from stages.models.weights import Classifier, Origin, build_classifier
from stages.records.files import read_json, write_json
from stages.records.folders import new_folder
from stages.runtime.convert import build_record
from stages.runtime.errors import InputError
from stages.runtime.params import Task

AGAIN = "train again"


@dataclass(frozen=True)
class Description:
    """The model card, model.json: all that building the classifier takes, and what its logits mean.

    A new field needs a line here alone. It is then in the file of every new model, and one without it is refused.
    """

    model: str  # its name in params.yaml
    architecture: Architecture
    px: int  # side of the tiles
    task: Task  # binary: one neuron, good or defective | multiclass: one neuron per class
    classes: tuple[str, ...]  # good and defective, or those of the neurons in their order
    origin: Origin  # of the weights before training
    temperature: float | None = None  # that logits are divided by; None: undefined, or not fitted yet
    threshold: float | None = None  # probability above which a tile is defective; None: undefined, or not fitted yet

    @property
    def neurons(self) -> int:
        """How many logits a tile gets."""
        return 1 if self.task == "binary" else len(self.classes)


def save_classifier(folder: Path, model: Classifier, description: Description, training: Any = None) -> None:
    """Write a classifier's weights and its description into a folder: both, or neither.

    With `training`, anything that JSON can say, also training.json.
    """
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    with new_folder(folder) as temporary:
        # as bytes, because safetensors hides the system's error when it writes to a file itself
        (temporary / "model.safetensors").write_bytes(save(state))
        write_json(temporary / "model.json", asdict(description), exact=True)
        if training is not None:
            write_json(temporary / "training.json", training)


def read_description(folder: Path) -> Description:
    """Return what model.json in a folder says.

    Raises:
        InputError: the file is missing, broken or of another version.
    """
    file = folder / "model.json"
    description: Description = build_record(Description, read_json(file), file, AGAIN)
    return description


def load_classifier(folder: Path) -> tuple[Classifier, Description]:
    """Return a trained model in evaluation mode and its description.

    Raises:
        InputError: a file is missing, broken or of another model or version.
    """
    description = read_description(folder)
    try:
        model = build_described(description)
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder / 'model.safetensors'}: does not load ({reason}); {AGAIN}") from None
    return channels_last(model).eval(), description


def build_described(description: Description) -> Classifier:
    """Build the classifier of a description with random weights."""
    return build_classifier(description.architecture, description.px, neurons=description.neurons)


def channels_last(model: Classifier) -> Classifier:
    """Lay convolutions out as N H W C, which more than doubles their speed on a CPU."""
    return model.to(memory_format=torch.channels_last)
