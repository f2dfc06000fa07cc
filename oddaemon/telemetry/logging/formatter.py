"""Turns an event into a log line, in JSON or with colours for a terminal, without secrets."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from oddaemon.core.reporting.formatting import format_instant
from oddaemon.telemetry.events.base import Level
from oddaemon.telemetry.logging.redaction import Redactor


class LogFormat(StrEnum):
    """Format of log lines."""

    AUTO = "auto"
    """Console on a terminal, JSON elsewhere."""
    JSON = "json"
    CONSOLE = "console"


class EventLogger:
    """Makes lines of events at or above a level and hands them to `write`."""

    def __init__(
        self,
        write: Callable[[str], None],
        now: Callable[[], datetime],
        redactor: Redactor,
        log_format: LogFormat,
        level: Level,
    ) -> None:
        """`log_format`: AUTO means JSON here; the caller checks for a terminal."""
        self._now = now
        self._redactor = redactor
        self._level = level
        self._logger = structlog.wrap_logger(
            _LineLogger(write),
            processors=[structlog.processors.add_log_level, self._format_event, *_make_renderers(log_format)],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        ).bind()

    def is_enabled(self, level: Level) -> bool:
        """Whether a line of this level is written at all."""
        return level >= self._level

    def write_line(self, level: Level, event: str, fields: Mapping[str, object]) -> None:
        """Writes one line."""
        self._logger.log(level, event, **fields)

    def _format_event(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        header = {"timestamp": format_instant(self._now()), "level": event.pop("level"), "event": event.pop("event")}
        return {**header, **{name: self._redactor.redact_value(value) for name, value in event.items()}}


class _LineLogger:
    """The end of structlog's pipeline."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = write


def _make_renderers(log_format: LogFormat) -> list[Processor]:
    if log_format is LogFormat.CONSOLE:
        return [_move_traceback, structlog.dev.ConsoleRenderer(colors=True, sort_keys=False)]
    return [structlog.processors.JSONRenderer(ensure_ascii=False)]


def _move_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if traceback := event.pop("traceback", None):
        event["exception"] = traceback
    return event
