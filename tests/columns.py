"""Our classifiers as other packages want them."""

from torch import Tensor, nn


class Columns(nn.Module):
    """A model as other packages want it: logits (N, K)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(images).logits
        return logits if logits.ndim == 2 else logits[:, None]
