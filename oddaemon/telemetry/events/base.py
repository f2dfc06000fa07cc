"""What all events share: a level, a name, fields, and the metrics they move.

An event is a frozen value. Only `Telemetry.emit` logs and counts it, so a log line and its metric cannot disagree.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from enum import Enum, IntEnum
from typing import ClassVar

from oddaemon.core.reporting.formatting import format_instant
from oddaemon.telemetry.metrics.fleet import FleetMetrics

SECONDS_DIGITS = 6


class Level(IntEnum):
    """Level of a log line, with the numbers of the standard library."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class Event:
    """One thing that happened. Subclasses are frozen dataclasses; their fields are plain values.

    A field holds an id, a count, seconds, a kind or a sentence: never a key, a PatNum or an amount.
    """

    __slots__ = ()

    name: ClassVar[str]
    """The class in snake_case; the log line's `event` and the label of `oddaemon_events_total`."""
    level: ClassVar[Level] = Level.INFO

    def __init_subclass__(cls, level: Level | None = None) -> None:
        """Name the event after its class; `level` is that of its log lines, if it is not `INFO`."""
        cls.name = re.sub(r"(?<!^)([A-Z])", r"_\1", cls.__name__).lower()
        if level is not None:
            cls.level = level

    def log_level(self) -> Level:
        """The level of this event; it may depend on the fields."""
        return self.level

    def journal_level(self) -> Level:
        """The level of this event in the journal of its office. It is that of the log, unless the log is quieter."""
        return self.log_level()

    def log_fields(self) -> Mapping[str, object]:
        """The fields of the log line, as values of JSON."""
        return {field.name: _to_json_value(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Move the metrics of this event, apart from `oddaemon_events_total`."""


def _to_json_value(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case datetime():
            return format_instant(value)
        case date():
            return value.isoformat()
        case float():
            return round(value, SECONDS_DIGITS)
        case tuple():
            return [_to_json_value(item) for item in value]
        case _:
            return value
