"""Classifiers for images of another side than they were trained with."""

import copy

import torch

from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.errors import InputError, is_out_of_memory


def resized(model: Classifier, px: int, wanted_by: str) -> Classifier:
    """Return a classifier with the same weights that takes images of px x px; a CNN is one already.

    Of a ViT the position embeddings are resampled, as timm does where it loads weights for another side
    (`resample_abs_pos_embed`: bicubic, antialiased); all other weights are shared with the model, not copied.

    Args:
        model: in evaluation mode.
        px: side of the images.
        wanted_by: the subject of the message: a parameter of params.yaml and its value.

    Raises:
        InputError: the model cannot take such images.
    """
    changed = model
    try:
        if px < model.cell_px:
            raise ValueError(f"a cell of its map is {model.cell_px:g} px")
        if isinstance(model, RolloutClassifier):
            patch = model.backbone.patch_embed.patch_size[0]
            if px % patch:
                raise ValueError(f"expected a multiple of its patch, {patch}")
            changed = _sharing_weights(model)
            changed.backbone.set_input_size(img_size=(px, px))
        with torch.no_grad():
            changed(torch.zeros(1, 3, px, px, device=next(model.parameters()).device))
    except (AssertionError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"params.yaml: {wanted_by} makes images of {px} px, but this model cannot take them: {reason}"
        ) from None
    return changed


def _sharing_weights(model: RolloutClassifier) -> RolloutClassifier:
    """Return a copy whose tensors, and whose modules below the patch embedding and beside it, are the model's own."""
    embedding = model.backbone.patch_embed
    modules = [*model.children(), *model.backbone.children(), *embedding.children()]
    kept = [module for module in modules if module is not model.backbone and module is not embedding]
    return copy.deepcopy(model, {id(own): own for own in (*kept, *model.parameters(), *model.buffers())})
