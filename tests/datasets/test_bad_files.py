"""A bad file stops the stage, or is left out, counted and reported."""

import pytest

from stages.datasets.bad_files import BadFiles
from stages.runtime.errors import InputError

WRONG = InputError("b.xml: not readable as XML")


def test_by_default_a_bad_file_stops(capfd):
    bad = BadFiles()
    with pytest.raises(InputError) as raised:
        bad.refuse(WRONG, "images/b.png")
    assert raised.value is WRONG
    assert bad.skipped == []
    assert capfd.readouterr().err == ""


def test_skipped_files_are_listed_and_warned_of_in_order(capfd):
    bad = BadFiles(skip=True)
    bad.refuse(WRONG, "images/b.png")
    bad.refuse(InputError("a.png: truncated"), "images/a.png")
    assert bad.skipped == [
        {"file": "images/b.png", "reason": "b.xml: not readable as XML"},
        {"file": "images/a.png", "reason": "a.png: truncated"},
    ]
    assert capfd.readouterr().err == (
        "warning: left out images/b.png: b.xml: not readable as XML\nwarning: left out images/a.png: a.png: truncated\n"
    )


@pytest.mark.parametrize("skip", [False, True])
def test_a_known_fault_is_left_out_in_one_line_and_stops_nothing(capfd, skip):
    bad = BadFiles(skip)
    bad.leave_out(["a.png", "b.png"], "its mask is empty")
    bad.leave_out([], "nothing to say")
    assert bad.skipped == [{"file": file, "reason": "its mask is empty"} for file in ("a.png", "b.png")]
    assert capfd.readouterr().err == "warning: left out 2 images, a.png the first: its mask is empty\n"
