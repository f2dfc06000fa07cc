"""Telemetry of the daemon process: standard output, messages of libraries, memory and CPU.

Everything here is global to the process, so tests of other packages make a plain `Telemetry` instead.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from oddaemon.telemetry.events import LibraryMessage
from oddaemon.telemetry.events.base import Level
from oddaemon.telemetry.logging.formatter import LogFormat
from oddaemon.telemetry.logging.traceback import format_traceback
from oddaemon.telemetry.logging.writer import LineWriter
from oddaemon.telemetry.telemetry import Telemetry

STANDARD_OUTPUT = 1
REPEAT_SECONDS = 60.0
"""How long a message of a library is not repeated: without a descriptor, asyncio logs a thousand a second."""


@contextmanager
def open_process_telemetry(
    *,
    now: Callable[[], datetime],
    version: str,
    log_format: LogFormat = LogFormat.AUTO,
    level: Level = Level.INFO,
    descriptor: int = STANDARD_OUTPUT,
) -> Iterator[Telemetry]:
    """Telemetry that writes to `descriptor` and captures messages of libraries; at the end it writes the queued lines.

    A descriptor that stalls or breaks costs lines, never the daemon.
    """
    if log_format is LogFormat.AUTO:
        log_format = LogFormat.CONSOLE if os.isatty(descriptor) else LogFormat.JSON
    writer = LineWriter(descriptor)
    try:
        telemetry = Telemetry(
            write=writer.write,
            now=now,
            version=version,
            log_format=log_format,
            level=level,
            count_lost=writer.count_lost,
            process_metrics=True,
        )
        with capture_library_messages(telemetry):
            yield telemetry
    finally:
        writer.close()


@contextmanager
def capture_library_messages(telemetry: Telemetry) -> Iterator[None]:
    """While this is open, the standard library's logging at WARNING and above, and its warnings, become events."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [_LibraryHandler(telemetry)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)


class _LibraryHandler(logging.Handler):
    """Turns log records into events. A message that repeats is loud once a minute; the others are only counted."""

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._telemetry = telemetry
        self._clock = clock
        self._loud_at: dict[tuple[str, str], float] = {}
        """When each message of a logger was last emitted loudly."""
        self._repeated: Counter[tuple[str, str]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Emit the record. Never fails: a message whose arguments do not fit is emitted without them."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        # asyncio logs details of the socket below the first line.
        key, now = (record.name, message.partition("\n")[0][:200]), self._clock()
        if now - self._loud_at.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            self._repeated[key] += 1
            self._telemetry.emit(LibraryMessage(record.name, Level.DEBUG, message, None))
            return
        self._loud_at = {each: at for each, at in self._loud_at.items() if now - at < REPEAT_SECONDS} | {key: now}
        error = record.exc_info[1] if record.exc_info else None
        self._telemetry.emit(
            LibraryMessage(
                library=record.name,
                severity=Level.ERROR if record.levelno >= logging.ERROR else Level.WARNING,
                message=message,
                traceback=None if error is None else format_traceback(error),
                repeated=self._repeated.pop(key, 0),
            )
        )
