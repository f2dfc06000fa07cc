"""How an event becomes a log line: JSON for machines, colours for a terminal, secrets for nobody."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from oddaemon.core.status import instant
from oddaemon.telemetry.event import Level
from oddaemon.telemetry.redaction import Redactor


class LogFormat(StrEnum):
    """What log lines look like."""

    AUTO = "auto"
    """Console on a terminal, JSON elsewhere."""
    JSON = "json"
    CONSOLE = "console"


class Log:
    """Makes lines of events at or above a level and hands them to `write`."""

    def __init__(
        self,
        write: Callable[[str], None],
        now: Callable[[], datetime],
        redactor: Redactor,
        log_format: LogFormat,
        level: Level,
    ) -> None:
        """`log_format`: AUTO is JSON here, since only whoever owns the terminal can know of it."""
        self._now = now
        self._redactor = redactor
        self._level = level
        self._logger = structlog.wrap_logger(
            _Lines(write),
            processors=[structlog.processors.add_log_level, self._arrange, *_renderers(log_format)],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        ).bind()

    def takes(self, level: Level) -> bool:
        """Whether a line of this level is written at all."""
        return level >= self._level

    def line(self, level: Level, event: str, fields: Mapping[str, object]) -> None:
        """Writes one line."""
        self._logger.log(level, event, **fields)

    def _arrange(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        head = {"timestamp": instant(self._now()), "level": event.pop("level"), "event": event.pop("event")}
        return {**head, **{name: self._redactor.value(value) for name, value in event.items()}}


class _Lines:
    """The end of structlog's pipeline."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = write


def _renderers(log_format: LogFormat) -> list[Processor]:
    if log_format is LogFormat.CONSOLE:
        return [_traceback_below, structlog.dev.ConsoleRenderer(colors=True, sort_keys=False)]
    return [structlog.processors.JSONRenderer(ensure_ascii=False)]


def _traceback_below(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if traceback := event.pop("traceback", None):
        event["exception"] = traceback
    return event
