"""Two tiny designs, drawn once: one with a copper pour and one without."""

import numpy as np
import pytest

from stages.boards.layers import Layers, draw_layers
from stages.boards.layout import Design, draw_design

WIDTH_PX, HEIGHT_PX = 608, 448


@pytest.fixture(scope="session", params=[0, 4], ids=["pour", "no pour"])
def board(request: pytest.FixtureRequest) -> tuple[Design, Layers]:
    design = draw_design(seed=0, number=request.param, width=WIDTH_PX, height=HEIGHT_PX)
    assert (design.style.pour == "none") == (request.param == 4)
    return design, draw_layers(design, np.random.default_rng(0))
