"""A folder in which photographs arrive: each is taken when nobody writes it any more."""

import os

import PIL.Image
import pytest

from stages.inspection import watch
from stages.inspection.run import Run
from stages.inspection.watch import POLL_SECONDS, SETTLE_SECONDS, arrivals
from tests.inspection.command import photographs, run, summary
from tests.inspection.line_models import plate, write_model


class Day:
    """A clock that moves only where somebody sleeps; `events` happen at their second."""

    def __init__(self, events):
        self.now, self.events = 0.0, sorted(events, key=lambda event: event[0])

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        while self.events and self.events[0][0] <= self.now:
            self.events.pop(0)[1]()

    def watched(self, folder, seconds):
        """Return (second, name, trouble) of what arrives."""
        found = arrivals(folder, folder / "out", seconds, self.clock, self.sleep)
        return [(self.now, each.name, each.trouble) for each in found if each is not None]


def append(path):
    with path.open("a") as file:
        file.write("1")


def test_a_file_is_taken_once_nobody_writes_it_any_more(tmp_path):
    day = Day([(second, lambda: append(tmp_path / "a.png")) for second in (1.0, 2.0, 3.0)])
    ((second, name, trouble),) = day.watched(tmp_path, 10)
    assert (name, trouble) == ("a.png", None)
    assert 3 + SETTLE_SECONDS <= second <= 3 + SETTLE_SECONDS + 2 * POLL_SECONDS


def test_one_that_changes_later_is_taken_again(tmp_path):
    (tmp_path / "a.png").write_text("1")
    day = Day([(5.0, lambda: (tmp_path / "a.png").write_text("12"))])
    assert [name for _, name, _ in day.watched(tmp_path, 10)] == ["a.png", "a.png"]


def test_one_that_is_renamed_into_place_and_one_below(tmp_path):
    def move():
        (tmp_path / ".part").rename(tmp_path / "b.png")

    (tmp_path / ".part").write_text("1")
    (tmp_path / "shift").mkdir()
    day = Day([(1.0, move), (1.0, lambda: (tmp_path / "shift/c.png").write_text("1"))])
    assert [name for _, name, _ in day.watched(tmp_path, 5)] == ["b.png", "shift/c.png"]


def test_what_is_half_written_in_the_end_is_told(tmp_path):
    growing = tmp_path / "a.png"
    day = Day([(second / 2, lambda: append(growing)) for second in range(1, 30)])
    ((_, name, trouble),) = day.watched(tmp_path, 4)
    assert name == "a.png" and trouble.startswith("was still being written")


def test_what_is_gone_again_and_results_are_passed_over(tmp_path):
    (tmp_path / "a.png").write_text("1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.png").write_text("1")
    day = Day([(1.0, lambda: (tmp_path / "a.png").unlink())])
    assert day.watched(tmp_path, 5) == []


@pytest.fixture
def line(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.05)
    (tmp_path / "in").mkdir()
    PIL.Image.fromarray(plate(50, 70, (16, 16, 8, 8))).save(tmp_path / "in/a.png")
    return tmp_path


def test_a_watched_folder_is_inspected(line):
    model = write_model(line / "m.onnx")
    assert run("--watch", line / "in", "--watch-for", "0.4", "--model", model, "--out", line / "in/out") == 1
    assert photographs(line / "in/out").keys() == {"a.png"} and summary(line / "in/out")["finished"]


def test_an_interruption_ends_it_with_everything_written(line, monkeypatch):
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 40:
            raise KeyboardInterrupt
        os.sched_yield()

    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watch.arrivals, "__defaults__", (None, watch.time.monotonic, sleep))
    assert run("--watch", line / "in", "--model", write_model(line / "m.onnx"), "--out", line / "out") == 1
    assert summary(line / "out")["finished"] and photographs(line / "out")["a.png"]["overlay"] == "overlays/a.png.png"


def test_results_are_written_anew_only_where_something_arrived(line, monkeypatch):
    written = []
    write = Run.write

    def noted(run, finished):
        written.append(len(run.findings))
        return write(run, finished)

    monkeypatch.setattr(Run, "write", noted)
    monkeypatch.setattr("stages.inspection.run.WRITE_SECONDS", -1.0)  # whenever it is looked at, which is every poll
    run("--watch", line / "in", "--watch-for", "0.6", "--model", write_model(line / "m.onnx"), "--out", line / "out")
    assert written == [0, 1, 1]  # at the start, with the photograph, in the end
