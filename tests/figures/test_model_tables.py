"""Tables of what stages train and time say of every model. (The search: tests/test_report.py.)"""

import pytest

from stages.figures.report.model_tables import read_metrics, time_table, training_table
from stages.records.files import write_json
from stages.records.paths import metrics_file
from stages.runtime.errors import InputError


def test_nested_metrics_become_columns():
    text = training_table({"net": {"lr": 0.5, "class": {"good": {"f1": 0.25}}}})
    assert '<th scope="col">lr</th><th scope="col">class.good.f1</th>' in text
    assert "<td>0.500</td><td>0.250</td>" in text


def test_times_are_medians_and_ratios_and_not_the_machine():
    own = {"median_ms": 2.0, "mean_ms": 3.0, "ratio": 1.0, "repeats": 30}
    text = time_table({"net": {"forward": own, "measured_on": {"threads": 2}}})
    assert text.count('<th scope="col">') == 3
    assert "<td>2.000</td><td>1.000</td>" in text


def test_a_file_that_says_nothing_of_its_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(metrics_file("train", "net"), {"other": {"lr": 0.5}})
    with pytest.raises(InputError, match=r"metrics/train/net.json: says nothing of net; run the train stage again"):
        read_metrics("train", ["net"])
