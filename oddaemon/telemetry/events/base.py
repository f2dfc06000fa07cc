"""What every event has in common: a level, a name, fields, and what it counts.

An event is a plain frozen value; it logs and counts nothing by itself. `Telemetry.emit` alone does both, so a log line
and its metric cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from enum import Enum, IntEnum
from typing import ClassVar

from oddaemon.core.reporting.status_document import format_instant
from oddaemon.telemetry.metrics.fleet import FleetMetrics

SECONDS_DIGITS = 6


class Level(IntEnum):
    """How loud a log line is; the numbers are those of the standard library."""

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
    """snake_case; the log line's `event` and the label of `oddaemon_events_total`."""
    level: ClassVar[Level] = Level.INFO

    def log_level(self) -> Level:
        """The level of this very event, where it depends on the fields."""
        return self.level

    def log_fields(self) -> Mapping[str, object]:
        """The fields of the log line, ready for JSON: all that the event has, under their own names."""
        return {field.name: _to_json_value(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Moves the metrics that this event is about; the plain count of events is not among them."""


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
