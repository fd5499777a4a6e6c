"""A trained model on disk: data/models/<model>/model.safetensors and model.json."""

from dataclasses import asdict, dataclass
from pathlib import Path

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
    """What model.json says of a classifier: all that building it takes, and what its logits mean.

    px: side of the tiles; task: binary (one neuron) or multiclass (one for each of `classes`, in their order);
    origin: of the weights before training; temperature, threshold: as in `stages.classification.calibration`, None
        where they are undefined, or not fitted yet.
    """

    model: str
    architecture: Architecture
    px: int
    task: Task
    classes: tuple[str, ...]
    origin: Origin
    temperature: float | None = None
    threshold: float | None = None

    @property
    def neurons(self) -> int:
        """How many logits a tile gets."""
        return 1 if self.task == "binary" else len(self.classes)


def save_classifier(folder: Path, model: Classifier, description: Description) -> None:
    """Write weights and description."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    with new_folder(folder) as temporary:
        # as bytes, because safetensors hides the system's error when it writes to a file itself
        (temporary / "model.safetensors").write_bytes(save(state))
        write_json(temporary / "model.json", asdict(description), exact=True)


def load_classifier(folder: Path) -> tuple[Classifier, Description]:
    """Return a trained model in evaluation mode and its description.

    Raises:
        InputError: a file is missing, broken or of another model or version.
    """
    file = folder / "model.json"
    description: Description = build_record(Description, read_json(file), file, AGAIN)
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
