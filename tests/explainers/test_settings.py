"""What section `explain` refuses of views and refinement, and that leaving them out changes nothing."""

from typing import Any

import pytest

from stages.explainers.methods import Explain
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params


def read(**changed: Any) -> Any:
    content = dict(read_params().content)
    return Params({**content, "explain": {**content["explain"], **changed}}).read(Explain)


def test_views_that_are_left_out_are_those_of_params_yaml() -> None:
    content = dict(read_params().content)
    views = ("flips", "scales", "refine", "guided")
    without = {key: value for key, value in content["explain"].items() if key not in views}
    assert Params({**content, "explain": without}).read(Explain) == read()
    assert (read().flips, read().scales, read().refine) == ("none", (1.0,), "none")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scales": [0]}, r"^params.yaml: explain.scales\[0\] is 0; expected more than 0$"),
        ({"scales": [1, 1.0]}, r"explain.scales is \[1, 1.0\]; expected no value twice"),
        ({"scales": []}, r"explain.scales is \[\]; expected a list of at least one value"),
        ({"scales": 2.0}, r"explain.scales is 2.0; expected a list"),
        ({"flips": "vertical"}, r"explain.flips is 'vertical'; use one of none, horizontal, all"),
        ({"flips": True}, r"explain.flips is True; use one of none, horizontal, all"),
        ({"refine": "crf"}, r"explain.refine is 'crf'; use one of none, guided"),
        ({"guided": {"eps": 0}}, r"explain.guided.eps is 0; expected more than 0"),
        ({"guided": {"sigma": 1}}, r"explain.guided.sigma is not known; known here: cell_px, radius_px, eps"),
    ],
)
def test_what_cannot_be_is_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(**changed)
