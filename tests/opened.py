"""Which files a stage opens: `python opened.py LOG COMMAND...` runs it and leaves their names in a JSON file.

The kernel says so (inotify, Linux alone), of every file below the current folder and whoever opens it: Python,
libraries (Parquet, safetensors, pictures), processes that it starts. Hooks of Python see the first of these alone.
"""

import ctypes
import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

OPENED = "opened"  # folder of the files, one for each stage, in the settings of a copy of the pipeline
UNWATCHED = {".git", ".dvc/cache", ".dvc/tmp"}
IN_OPEN, IN_ISDIR, IN_Q_OVERFLOW = 0x20, 0x40000000, 0x4000
IN_NONBLOCK = 0o4000
HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
POLL_S = 0.02


def main(log: Path, command: list[str]) -> int:
    """Run the command, write the names to `log`, sorted, and return the command's exit code."""
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init1(IN_NONBLOCK)
    folders = {}
    for place, inside, _ in os.walk("."):
        folder = Path(place)
        inside[:] = [name for name in inside if (folder / name).as_posix() not in UNWATCHED]
        watch = libc.inotify_add_watch(queue, os.fsencode(folder), IN_OPEN)
        if queue < 0 or watch < 0:
            raise OSError(ctypes.get_errno(), f"inotify: {os.strerror(ctypes.get_errno())}")
        folders[watch] = folder
    _opened(queue, folders)  # forgets what the walk has opened
    opened: set[str] = set()
    process = subprocess.Popen(command)
    running = True
    while running:
        running = process.poll() is None  # before the last look
        opened |= _opened(queue, folders)
        time.sleep(POLL_S)
    log.write_text(json.dumps(sorted(opened)), encoding="utf-8")
    return process.returncode


def _opened(queue: int, folders: dict[int, Path]) -> set[str]:
    """Return what was opened since the last look; a folder (to list it) ends in a slash."""
    found = set()
    while True:
        try:
            events = os.read(queue, 1 << 16)
        except BlockingIOError:
            return found
        while events:
            watch, mask, _, length = HEAD.unpack_from(events)
            name = os.fsdecode(events[HEAD.size : HEAD.size + length].rstrip(b"\0"))
            events = events[HEAD.size + length :]
            if mask & IN_Q_OVERFLOW:
                raise OverflowError("more files are opened at once than the kernel keeps")
            if watch in folders and name:
                found.add((folders[watch] / name).as_posix() + ("/" if mask & IN_ISDIR else ""))


def watch_stages(settings: Path) -> None:
    """Put a `python` into settings/bin that runs every stage by this file."""
    (settings / OPENED).mkdir(parents=True)
    (settings / "bin").mkdir()
    script = settings / "bin" / "python"
    watched = f"""#!/bin/sh
python="{sys.executable}"
case "$1 $2" in
    "-m stages."*) exec "$python" "{__file__}" "{settings / OPENED}/${{2#stages.}}${{3:+@$3}}.json" "$python" "$@" ;;
    *) exec "$python" "$@" ;;
esac
"""
    script.write_text(watched, encoding="utf-8")
    script.chmod(0o755)


def opened_by_stages(settings: Path) -> dict[str, set[str]]:
    """Return what each stage has opened, compiled modules under the names of their sources."""
    return {
        log.stem: {re.sub(r"__pycache__/(\w+)\.[\w-]+\.pyc", r"\1.py", name) for name in json.loads(log.read_text())}
        for log in sorted((settings / OPENED).iterdir())
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
