"""Freed memory that is kept for the next tensor."""

import platform
import subprocess
import sys

import pytest

from stages.runtime.memory import keep_freed_memory

SECOND_TIME = """
import resource, sys
import numpy as np
from stages.runtime.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = []
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = np.ones(2**23)  # 64 MB, freed in each turn
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    del block
print(faults[-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="speaks to glibc alone")
def test_a_block_of_the_same_size_costs_fresh_pages_only_once():
    def faults(how):
        ran = subprocess.run([sys.executable, "-c", SECOND_TIME, how], capture_output=True, text=True, check=True)
        return int(ran.stdout)

    assert faults("keep") * 10 < faults("give back")


def test_another_c_library_is_left_as_it_is(monkeypatch):
    class Musl:
        def mallopt(self, name, value):
            raise AssertionError("was told")

    monkeypatch.setattr("ctypes.CDLL", lambda name: Musl())
    assert keep_freed_memory() is False
