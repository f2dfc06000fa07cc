"""Journal entries as sentences, for the terminal and the pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oddaemon.core.office.status import to_sentence
from oddaemon.core.reporting.formatting import format_count
from oddaemon.core.reporting.legacy_names import translate_names

Fields = Mapping[str, Any]

_INSTANT_FIELDS = frozenset({"since", "until", "retry_at", "deadline"})


@dataclass(frozen=True, slots=True)
class Formatters:
    """Formats instants and durations for the place where the sentence is shown."""

    format_time: Callable[[datetime], str]
    format_duration: Callable[[float], str]
    """From seconds."""


def render_entry(event: str, fields: Fields, formatters: Formatters) -> str:
    """What happened, as a sentence; an event of another version is shown with its fields."""
    event, fields = translate_names(event, fields)
    try:
        return _RENDERERS[event](_format_fields(fields, formatters))
    except (KeyError, TypeError, ValueError):
        text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())
        return f"{to_sentence(event.replace('_', ' ')).rstrip('.')}{f': {text}' if text else ''}."


def _format_fields(fields: Fields, formatters: Formatters) -> Fields:
    """The fields, with instants and durations formatted."""
    return {name: _format_field(name, value, formatters) for name, value in fields.items()}


def _format_field(name: str, value: object, formatters: Formatters) -> object:
    match value:
        case str() if name in _INSTANT_FIELDS:
            return formatters.format_time(datetime.fromisoformat(value))
        case int() | float() if name.endswith("seconds") and not name.endswith("offset_seconds"):
            return formatters.format_duration(value)
        case dict() if name == "request":
            return _format_fields(value, formatters)
    return value


def _render_condition_changed(fields: Fields) -> str:
    prefix = f"{fields['before']} → " if fields["before"] else ""
    return f"{prefix}{fields['after']}: {fields['reason']}"


def _render_aging_observed(fields: Fields) -> str:
    status = str(fields["status"]).replace("_", " ")
    return f"Aging: {status}; last run: {fields['aging_date'] or 'never'}."


def _render_failure_seen(fields: Fields) -> str:
    request = fields.get("request")
    met = f" Request: {request['kind'].replace('_', ' ')}, {request['seconds']}." if request else ""
    again = f" Next attempt at {fields['retry_at']}." if fields["retry_at"] else ""
    return f"{to_sentence(str(fields['message']))}{met}{again}"


def _render_summary(fields: Fields) -> str:
    times, failed, kinds = fields["requests"], fields["failed"], fields["by_kind"]
    since = f" since {fields['since']}" if times > 1 else ""
    parts = [f"{format_count(times, 'request')}{since}"]
    parts += [f"{_format_counts(kinds)}, {fields['seconds']}, {fields['bytes']:,} bytes"] if kinds else []
    parts += [f"repeated failures: {_format_counts(failed)}"] if failed else []
    return f"{'; '.join(parts)}."


def _render_request_finished(fields: Fields) -> str:
    kind, seconds = fields["kind"].replace("_", " "), fields["seconds"]
    return f"A request ({kind}) failed after {seconds}: {fields['outcome'].replace('_', ' ')}."


def _render_pull_started(fields: Fields) -> str:
    if fields["resumed_rows"]:
        return f"Pull resumed after {fields['resumed_rows']:,} rows, reader {fields['reader']}."
    return f"Pull started, reader {fields['reader']}."


def _render_snapshot_published(fields: Fields) -> str:
    late = f", {fields['late_by_seconds']} late" if fields["late_by_seconds"] is not None else ""
    changes = f"{fields['new']:,} new, {fields['changed']:,} changed, {fields['cleared']:,} cleared"
    took = f"{format_count(fields['requests'], 'request')}, {fields['seconds']}{late}"
    return (
        f"Published snapshot {fields['snapshot_id']} of {fields['aging_date']}: "
        f"{format_count(fields['guarantors'], 'guarantor')} ({changes}); {took}."
    )


def _render_command(fields: Fields) -> str:
    by = "" if fields["uid"] is None else f" by user {fields['uid']}"
    return f"Command `{fields['command']}`{by}{', rejected' if fields['rejected'] else ''}: {fields['response']}"


def _render_backfill_failed(fields: Fields) -> str:
    again = f"next attempt at {fields['retry_at']}" if fields["retry_at"] else "gave up"
    return f"The backfill of {fields['as_of']} failed, {again}: {fields['reason']}"


def _render_key_rejected(fields: Fields) -> str:
    # Entries of earlier versions have no `until`.
    until = f", until {fields['until']}" if "until" in fields else ""
    which = {"former": "previous"}.get(fields["key"], fields["key"])
    return f"The {which} key is not accepted while the key change settles{until}."


def _render_clock_mismatch(fields: Fields) -> str:
    configured, measured = (
        f"{fields[f'{which}_offset_seconds'] / 3600:+.2f} h" for which in ("configured", "measured")
    )
    return f"The office's clock is {measured} from UTC, but its configured time zone is {configured}."


_TEMPLATES: Mapping[str, str] = {
    "office_started": "Monitoring started.",
    "office_stopped": "Monitoring stopped: {reason}.",
    "pull_rejected": "Pull rejected: {reason}.",
    "snapshot_held": "Holding the snapshot of {aging_date} until {retry_at}: {reason}",
    "reader_changed": "Reader changed from {before} to {after}: {reason}",
    "key_rotated": "The new key is accepted; the previous key is dropped.",
    "backfill_requested": "Backfill of {as_of} requested, by {via}.",
    "backfill_cancelled": "Backfill of {as_of} cancelled.",
    "delivery_attempt_failed": (
        "Delivery of snapshot {snapshot_id} to {sink} failed: {reason} Next attempt at {retry_at}."
    ),
    "delivery_skipped": "Skipped the delivery of snapshot {snapshot_id} to {sink}: {reason}",
}
_RENDERERS: Mapping[str, Callable[[Fields], str]] = {
    **{event: template.format_map for event, template in _TEMPLATES.items()},
    "condition_changed": _render_condition_changed,
    "aging_status_changed": _render_aging_observed,
    "failure_seen": _render_failure_seen,
    "requests_summarized": _render_summary,
    "request_finished": _render_request_finished,
    "pull_started": _render_pull_started,
    "snapshot_published": _render_snapshot_published,
    "key_rejected_during_rotation": _render_key_rejected,
    "clock_mismatch": _render_clock_mismatch,
    "command_received": _render_command,
    "backfill_published": lambda fields: (
        f"Backfill of {fields['as_of']} stored: {format_count(fields['guarantors'], 'guarantor')}; "
        f"{format_count(fields['requests'], 'request')}, {fields['seconds']}."
    ),
    "backfill_failed": _render_backfill_failed,
    "delivery_succeeded": lambda fields: (
        f"Delivered snapshot {fields['snapshot_id']} ({fields['content']}) to {fields['sink']}: "
        f"{fields['seconds']}{_format_failed_attempts(fields['failed_attempts'])}."
    ),
    "delivery_abandoned": lambda fields: (
        f"Gave up the delivery of snapshot {fields['snapshot_id']} to {fields['sink']} after "
        f"{format_count(fields['attempts'], 'attempt')}: {fields['reason']}"
    ),
    "deadline_missed": lambda fields: (
        f"Missed the deadline {fields['deadline']} for this night's balances{_format_streak(fields['nights_missed'])}."
    ),
    "deadline_recovered": lambda fields: (
        f"On time again after {format_count(fields['nights_missed'], 'missed night')}."
    ),
    "worker_crashed": lambda fields: (
        f"The worker crashed ({fields['error']}), a bug in oddaemon; "
        f"{format_count(fields['restarts_left'], 'restart')} left."
    ),
    "office_quarantined": lambda fields: (
        "The worker crashed too often, a bug in oddaemon; "
        + (f"next try at {fields['until']}." if fields.get("until") else "monitoring stopped.")
    ),
}


def _format_failed_attempts(attempts: int) -> str:
    return f", after {format_count(attempts, 'failed attempt')}" if attempts else ""


def _format_streak(nights: int) -> str:
    return f", {nights} nights in a row" if nights > 1 else ""


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
