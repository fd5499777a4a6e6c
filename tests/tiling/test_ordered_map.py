"""Mapping in order: threads and a Dask cluster give the same results; errors, few items ahead, and no cluster."""

import sys
import threading
import time

import pytest

from stages.runtime.errors import InputError
from stages.tiling.ordered_map import map_in_order


def square(number):
    return number * number


def refuse_seven(number):
    if number == 7:
        raise InputError("seven")
    return number


def test_results_come_in_the_order_of_items():
    def slow_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number

    assert list(map_in_order(slow_first, range(20), 3)) == list(range(20))
    assert list(map_in_order(square, [], 3)) == []


def test_no_more_than_two_items_per_worker_are_ahead():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    results = map_in_order(square, items(), 3)
    assert taken == []
    for got in range(50):
        assert next(results) == square(got)
        assert len(taken) <= got + 1 + 2 * 3


def test_an_error_comes_where_its_item_stands_and_ends_the_threads():
    before = threading.active_count()
    results = map_in_order(refuse_seven, range(1000), 2)
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(InputError, match="seven"):
        next(results)
    assert threading.active_count() == before


def test_a_caller_that_stops_early_ends_the_threads():
    before = threading.active_count()
    results = map_in_order(square, range(1000), 2)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_dask_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"runtime\.cluster needs Dask; install it"):
        list(map_in_order(square, range(3), 1, "tcp://127.0.0.1:9"))


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setattr("stages.tiling.ordered_map.CONNECT_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(InputError, match=r"runtime\.cluster: no Dask scheduler answers at") as refused:
            list(map_in_order(square, range(3), 1, address))
        assert "\n" not in str(refused.value)
