"""Telemetry of the daemon process: standard output, messages of libraries, memory and CPU.

Everything here is global to the process, so tests of other packages make a plain `Telemetry` instead.
"""

import logging
import os
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
    """Turns log records into events."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(logging.WARNING)
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        """Emit the record. Never fails: a message whose arguments do not fit is emitted without them."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        self._telemetry.emit(
            LibraryMessage(
                library=record.name,
                severity=Level.ERROR if record.levelno >= logging.ERROR else Level.WARNING,
                message=message,
                traceback=None if error is None else format_traceback(error),
            )
        )
