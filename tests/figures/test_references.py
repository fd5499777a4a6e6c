"""The drawing of references: bars, lines and diamonds where the values are, nothing where there are none."""

import re
from dataclasses import asdict

import pytest

from stages.figures.report.ranking import section as ranking_section
from stages.figures.report.references import LEFT, RIGHT, WIDTH, bars, section
from stages.figures.report.verdict import section as verdict_section
from stages.ranking.record import Bracket
from tests.figures.html import Elements
from tests.figures.rankings import NAN, estimate, fields, standing

OWN, GOOD, TAUGHT = (0.4, 0.3, 0.5), (0.1, 0.05, 0.2), (0.8, 0.7, 0.9)


def bracket(left_out=None, **scores):
    of_kind = {kind: estimate(*values) for kind, values in scores.items()}
    places = {"own_of_supervised": estimate(0.5, 0.4, 0.6), "between": estimate(0.43)}
    return asdict(Bracket("boxes", "net", "net <8>", {"f1": of_kind}, {"f1": 1.0}, {"f1": places}, left_out or {}))


def x(value, end):
    return LEFT + value / end * (WIDTH - LEFT - RIGHT)


def test_everything_lies_where_its_value_is():
    drawn = bars([bracket(own=OWN, nearest_good=GOOD, supervised=TAUGHT)], "f1")
    (start, wide) = re.search(r'<rect x="([\d.]+)" y="\d+" width="([\d.]+)" height="16"', drawn).groups()
    assert float(start) == LEFT and float(wide) == pytest.approx(x(0.4, 1) - LEFT, abs=0.06)
    for value, colour in ((0.1, "#b35806"), (0.8, "#1b7837")):
        (place,) = re.findall(rf'<line x1="([\d.]+)" x2="\1" y1="38" y2="64" stroke="{colour}"', drawn)
        assert float(place) == pytest.approx(x(value, 1), abs=0.06)
    (low, high) = re.search(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="51" y2="51"', drawn).groups()
    assert (float(low), float(high)) == pytest.approx((x(0.3, 1), x(0.5, 1)), abs=0.06)
    assert f'points="{x(1, 1):.1f},45 ' in drawn
    assert "net &lt;8&gt;" in drawn


def test_what_is_undefined_or_left_out_is_not_drawn_and_said():
    row = bracket({"nearest_good": "no train tile is good"}, own=(NAN,), supervised=TAUGHT)
    drawn = bars([row], "f1")
    assert 'height="16"' not in drawn and drawn.count("#b35806") == 1  # in the legend alone
    text = section(fields(standing("boxes", "net", "cam", {"f1": OWN})) | {"brackets": [row]})
    assert "<p>There is no nearest_good: no train tile is good.</p>" in text
    assert "<td>-</td><td>-</td><td>0.800 (0.700 to 0.900)</td><td>1.000</td><td>0.500 (0.400 to 0.600)</td>" in text


def test_they_stand_in_the_report_where_there_are_some():
    plain = fields(standing("boxes", "net", "cam", {"f1": OWN}))
    assert section(plain) == "" and "svg" not in ranking_section(plain)
    with_some = plain | {
        "brackets": [bracket(own=OWN, nearest_good=GOOD, supervised=TAUGHT)],
        "around": "Labels alone.",
    }
    text = ranking_section(with_some)
    assert Elements(text).names.count("svg") == 1 and not Elements(text).fetched
    scores = {"net": {"classification": dict.fromkeys(("precision", "recall", "average_precision"), 0.5)}}
    scores["net"]["classification"] |= {"tiles": 9, "defective_tiles": 3}
    assert '<p class="verdict">Labels alone.</p>' in verdict_section(with_some, scores)
    assert "Labels alone." not in verdict_section(plain, scores)
