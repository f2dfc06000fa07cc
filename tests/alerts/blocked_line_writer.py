"""A log without a reader."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from oddaemon.telemetry.logging.writer import LineWriter


@contextmanager
def blocked_line_writer() -> Iterator[Callable[[], int]]:
    """A writer to a pipe without a reader, and how many lines it has lost."""
    reading, writing = os.pipe()
    writer = LineWriter(writing, queued_lines_max=1)
    try:
        for _ in range(100):
            writer.write("x" * 65_536)
        assert writer.count_lost()
        yield writer.count_lost
    finally:
        os.close(reading)
        writer.close()
        os.close(writing)
