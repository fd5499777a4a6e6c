"""Many photographs: the next is decoded and the last one written while one is looked at; none stops the others."""

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.datasets.names import escaped
from stages.inspection.drift import Tally, add
from stages.inspection.model import LineModel
from stages.inspection.one_photograph import FAILED, Finding, Pictures, decode, inspect
from stages.inspection.page import write_page
from stages.inspection.photographs import Photograph
from stages.inspection.results import write_pictures
from stages.inspection.settings import Options
from stages.inspection.summary import last_line, write_tables
from stages.runtime.errors import InputError, is_out_of_memory

AHEAD_PIXELS = 2**24  # a larger photograph is decoded in its turn, so that memory never holds two of them
WRITE_SECONDS = 5.0  # how often the summary is brought up to date, at most, while photographs come


@dataclass
class Run:
    """What was found so far; the last finding of a photograph counts."""

    folder: Path
    model: LineModel
    options: Options
    findings: dict[str, Finding] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    written: float = 0.0  # when, in seconds of the monotonic clock
    news: bool = False  # something was found since

    def write(self, finished: bool) -> str:
        """Write tables, summary and page; return the last line."""
        findings = list(self.findings.values())
        line = last_line(findings, self.tally, self.model, self.folder)
        write_tables(self.folder, findings, self.tally, self.model, self.options, finished)
        write_page(self.folder, findings, self.model, line)
        self.written, self.news = time.monotonic(), False
        return line

    def note(self, finding: Finding) -> None:
        """Count a finding; a failure is told at once."""
        self.findings[finding.photograph.name], self.news = finding, True
        if finding.verdict == FAILED:
            print(f"failed: {escaped(finding.reason or '')}", file=sys.stderr, flush=True)
        if finding.probability is not None:
            add(self.tally, finding.beyond, finding.tile_probability, finding.lit_cells, bool(finding.drift))


def inspect_all(run: Run, photographs: Iterable[Photograph | None]) -> None:
    """Inspect photographs as they come and write their pictures; an interruption (Ctrl-C) ends them and is no error.

    Args:
        run: filled here.
        photographs: None stands for a moment in which none is there.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        waiting: deque[tuple[Finding, Future[float]]] = deque()
        try:
            for finding, pictures in _looked_at(run, photographs, reader):
                if finding is not None and pictures is not None:
                    waiting.append((finding, writer.submit(_write, run.folder, finding, pictures)))
                elif finding is not None:
                    run.note(finding)
                while waiting and (finding is None or len(waiting) > 1):
                    _settle(run, *waiting.popleft())
                if run.news and time.monotonic() - run.written > WRITE_SECONDS:
                    run.write(finished=False)
        except KeyboardInterrupt:
            print("interrupted; writing what was found", file=sys.stderr, flush=True)
        while waiting:
            _settle(run, *waiting.popleft())


def _looked_at(
    run: Run, photographs: Iterable[Photograph | None], reader: ThreadPoolExecutor
) -> Iterator[tuple[Finding | None, Pictures | None]]:
    """Yield each photograph's finding, and its pictures unless it failed; (None, None) while none is there."""
    for finding, decoded in _ahead(run, photographs, reader):
        if finding is None or decoded is None:
            yield None, None
            continue
        pictures = None
        begun = time.perf_counter()
        try:
            pixels, ms = decoded.result()
            if pixels is None:
                pixels = decode(finding.photograph, run.options)
            held = [pixels] if pixels is not None else []
            decoded = pixels = None  # the list alone holds the pixels
            pictures = inspect(finding, held, run.model, run.options)
            finding.ms = ms + 1000 * (time.perf_counter() - begun)
        except InputError as error:
            finding.reason = str(error)
        except (MemoryError, RuntimeError, cv2.error) as error:
            if not is_out_of_memory(error) and "nsufficient memory" not in str(error):
                raise
            finding.reason = f"{finding.photograph.path}: not enough memory for this photograph; lower --max-pixels"
        yield finding, pictures


def _ahead(
    run: Run, photographs: Iterable[Photograph | None], reader: ThreadPoolExecutor
) -> Iterator[tuple[Finding | None, Future[tuple[NDArray[np.uint8] | None, float]] | None]]:
    """Yield photographs with their decoding, one after the next one's has begun."""
    before: tuple[Finding, Future[tuple[NDArray[np.uint8] | None, float]]] | None = None
    for photograph in photographs:
        begun = None
        if photograph is not None:
            begun = Finding(photograph), reader.submit(_decode, photograph, run.options)
        if before is not None:
            yield before
        elif begun is None:
            yield None, None
        before = begun
    if before is not None:
        yield before


def _decode(photograph: Photograph, options: Options) -> tuple[NDArray[np.uint8] | None, float]:
    begun = time.perf_counter()
    pixels = decode(photograph, options, AHEAD_PIXELS)
    return pixels, 1000 * (time.perf_counter() - begun)


def _write(folder: Path, finding: Finding, pictures: Pictures) -> float:
    begun = time.perf_counter()
    write_pictures(folder, finding, pictures)
    return 1000 * (time.perf_counter() - begun)


def _settle(run: Run, finding: Finding, written: "Future[float]") -> None:
    """Wait until a photograph's pictures are written, and count it; it failed where they are not."""
    try:
        finding.ms += written.result()
    except InputError as error:
        finding.verdict, finding.reason = FAILED, str(error)
    run.note(finding)
