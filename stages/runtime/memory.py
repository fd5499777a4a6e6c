"""Memory that was freed is kept for the next tensor, where the C library can be told so."""

import ctypes

# Parameters of mallopt(3), from glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4

TRIM_ABOVE = 2**31 - 1  # bytes, the most that an int holds: free memory below is not given back
GROW_BY = 2**26  # bytes asked of the system at a time


def keep_freed_memory() -> bool:
    """Tell glibc not to give freed memory back to the system after each batch; return whether it does as it is told.

    By default glibc takes every block of some megabytes from the system and returns it when it is freed. A network's
    intermediate results are such blocks: each batch pays for fresh pages, a quarter of the processor time of a training
    on a virtual machine. Results do not change. Other C libraries (musl, macOS, Windows) go on as they do.
    """
    try:
        library = ctypes.CDLL(None)
        mallopt = library.mallopt
        library.gnu_get_libc_version  # noqa: B018 - an attribute of glibc alone
    except (OSError, TypeError, AttributeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, TRIM_ABOVE), (M_TOP_PAD, GROW_BY))
    return min(mallopt(name, value) for name, value in settings) == 1
