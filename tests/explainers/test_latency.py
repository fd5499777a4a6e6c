"""Latency: every call is made as often as asked, in turns, and warm-up is not counted."""

from types import SimpleNamespace

import pytest
import torch

from stages.explainers.latency import measure
from stages.explainers.settings import Time


def test_calls_alternate_and_statistics_are_of_the_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    ticks = iter([0, 9, 0, 9, 0, 0.001, 0, 0.002, 0, 0.003, 0, 0.002])  # seconds; the first round is warm-up
    monkeypatch.setattr("stages.explainers.latency.time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    calls = {"a": lambda: made.append("a"), "b": lambda: made.append("b")}
    latencies = measure(calls, Time(1, 2), torch.device("cpu"))
    assert made == ["a", "b"] * 3
    assert latencies["a"].mean_ms == pytest.approx(2.0) and latencies["a"].median_ms == pytest.approx(2.0)
    assert latencies["a"].std_ms == pytest.approx(2**0.5) and latencies["b"].std_ms == pytest.approx(0)


def test_slow_calls_are_made_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    ticks = iter(range(100))
    monkeypatch.setattr("stages.explainers.latency.time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    calls = {"a": lambda: made.append("a"), "slow": lambda: made.append("slow")}
    latencies = measure(calls, Time(1, 4), torch.device("cpu"), {"slow": Time(0, 2)})
    assert made == ["a", "slow", "a", "slow", "a", "a", "a"]
    assert (latencies["a"].repeats, latencies["slow"].repeats) == (4, 2)
