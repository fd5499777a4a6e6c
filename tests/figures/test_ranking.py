"""The report's tables of ranks and scores."""

from stages.figures.report.ranking import section
from tests.figures.rankings import NAN, estimate, fields, standing


def test_ranks_with_their_values_and_intervals():
    first = standing("boxes", "net", "cam", {"f1": (0.5, 0.25, 0.75), "recall": (NAN,)}, average_rank=estimate(1.25))
    second = standing("boxes", "down", "cam", {"f1": (0.25, NAN, NAN, 10), "recall": (1.0,)}, place=2)
    third = standing("boxes", "vit", "rollout_max", {"f1": (NAN,), "recall": (NAN,)}, 3, family="vit", name="vit_fmax")
    ranks, _, scores = section(fields(second, third, first)).partition("Scores against")
    assert "<caption>Ranks within the family cnn, value with its 95% interval over up to 12 clusters</caption>" in ranks
    assert '<th scope="row">net</th><td>1: 0.500 (0.250 to 0.750)</td><td>1</td><td>1.25</td>' in ranks
    assert '<th scope="row">down</th><td>2: 0.250</td><td>2: 1.000</td><td>2</td>' in ranks
    assert ranks.index(">net<") < ranks.index(">down<") < ranks.index("family vit") < ranks.index(">vit_fmax<")
    assert '<th scope="row">vit_fmax</th><td></td><td></td>' in scores


def test_a_small_value_is_not_shown_as_none_and_ranks_are_of_the_truth_that_is_ranked_by():
    small = standing("boxes", "net", "cam", {"f1": (3e-6, 0.0, 0.004)})
    text = section(fields(small, standing("exact", "net", "cam", {"f1": (0.0,)}), truth="exact"))
    assert "<caption>Scores against boxes, 95% intervals over up to 12 clusters</caption>" in text
    assert "<td>3e-06 (0 to 0.004)</td>" in text and "<td>0</td>" in text
    assert "<td>1: 0</td>" in text and "1: 3e-06" not in text
