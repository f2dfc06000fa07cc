"""Writes log lines to a file descriptor without blocking the event loop.

A reader of standard output that stalls, or is gone, must stop no office: lines wait in memory, and lines beyond
the limit are dropped and counted. There is one writer, so lines never mix.
"""

import os
import queue
import select
import threading

QUEUED_LINES_MAX = 10_000
"""About 4 MB of lines; a second or so of the loudest level with the whole fleet pulling."""

WRITE_TIMEOUT_SECONDS = 1.0
"""How long one line waits for the descriptor before it is lost."""


class LineWriter:
    """A thread that writes whole lines, in order."""

    def __init__(self, descriptor: int, queued_lines_max: int = QUEUED_LINES_MAX) -> None:
        self._descriptor = descriptor
        self._queue: queue.Queue[str | None] = queue.Queue(queued_lines_max)
        self._dropped = 0
        self._unwritten = 0
        self._thread = threading.Thread(target=self._write_all, name="log lines", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue one line, without its end. Never waits, never fails; see `count_lost`."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def count_lost(self) -> int:
        """Number of lines lost so far."""
        return self._dropped + self._unwritten

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Write the queued lines, for at most about twice this time."""
        try:
            self._queue.put(None, timeout=timeout_seconds)
        except queue.Full:
            return
        self._thread.join(timeout_seconds)

    def _write_all(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._write(line.encode("utf-8", "backslashreplace") + b"\n")
            except OSError:
                self._unwritten += 1

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                _, writable, _ = select.select([], [self._descriptor], [], WRITE_TIMEOUT_SECONDS)
                if not writable:
                    raise
