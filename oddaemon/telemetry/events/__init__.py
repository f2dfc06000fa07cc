"""Everything that can happen, one class each: its log level, its name, its fields, and the metrics it moves.

The component that does something emits the event. No other code logs or counts.
"""
# ruff: noqa: F403 - every event of these files is an event of the package

from oddaemon.telemetry.events.backfill import *
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.events.commands import *
from oddaemon.telemetry.events.daemon import *
from oddaemon.telemetry.events.fleet import *
from oddaemon.telemetry.events.night import *
from oddaemon.telemetry.events.office import *
from oddaemon.telemetry.events.sinks import *

EVENT_TYPES: tuple[type[Event], ...] = tuple(
    each for each in globals().values() if isinstance(each, type) and issubclass(each, Event) and each is not Event
)
"""Every event."""
