"""An office's journal in sentences, for whoever reads it: at a terminal, or on a page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oddaemon.core.office.status import to_sentence

Fields = Mapping[str, Any]

_INSTANT_FIELDS = frozenset({"since", "until", "retry_at", "deadline"})


@dataclass(frozen=True, slots=True)
class Formatters:
    """How instants and lengths are told where the sentence is read."""

    format_time: Callable[[datetime], str]
    format_duration: Callable[[float], str]
    """Of seconds."""


def render_entry(event: str, fields: Fields, formatters: Formatters) -> str:
    """What happened; of an event that a newer daemon wrote, its fields as they are."""
    try:
        return _RENDERERS[event](_format_fields(fields, formatters))
    except (KeyError, TypeError, ValueError):
        text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())
        return f"{to_sentence(event.replace('_', ' ')).rstrip('.')}{f': {text}' if text else ''}."


def _format_fields(fields: Fields, formatters: Formatters) -> Fields:
    """The fields, instants and lengths among them as they are told."""
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
    return f"Aging: {status}, last one {fields['aging_date'] or 'never'}."


def _render_failure_seen(fields: Fields) -> str:
    request = fields.get("request")
    met = f" Met by a {request['kind'].replace('_', ' ')} after {request['seconds']}." if request else ""
    again = f" Again at {fields['retry_at']}." if fields["retry_at"] else ""
    return f"{to_sentence(str(fields['message']))}{met}{again}"


def _render_summary(fields: Fields) -> str:
    times, failed, kinds = fields["requests"], fields["failed"], fields["by_kind"]
    parts = [f"Asked {_format_times(times)} since {fields['since']}" if times > 1 else "Asked once"]
    parts += [f"{_format_counts(kinds)}, {fields['seconds']}, {fields['bytes']:,} bytes"] if kinds else []
    parts += [f"failed as before, {_format_counts(failed)}"] if failed else []
    return f"{'; '.join(parts)}."


def _render_request_finished(fields: Fields) -> str:
    kind, seconds = fields["kind"].replace("_", " "), fields["seconds"]
    return f"A request ({kind}) ended after {seconds}: {fields['outcome'].replace('_', ' ')}."


def _render_pull_started(fields: Fields) -> str:
    if fields["resumed_rows"]:
        return f"The pull goes on after {fields['resumed_rows']:,} rows, by {fields['reader']}."
    return f"A pull begins, by {fields['reader']}."


def _render_snapshot_published(fields: Fields) -> str:
    late = f", {fields['late_by_seconds']} late" if fields["late_by_seconds"] is not None else ""
    changes = f"{fields['new']:,} new, {fields['changed']:,} changed, {fields['cleared']:,} cleared"
    took = f"{_format_count(fields['requests'], 'request')}, {fields['seconds']}{late}"
    return (
        f"Snapshot {fields['snapshot_id']} of {fields['aging_date']} is published: "
        f"{_format_count(fields['guarantors'], 'guarantor')} ({changes}); {took}."
    )


def _render_command(fields: Fields) -> str:
    by = "" if fields["uid"] is None else f" by user {fields['uid']}"
    return f"Command `{fields['command']}`{by}{', rejected' if fields['rejected'] else ''}: {fields['response']}"


def _render_backfill_failed(fields: Fields) -> str:
    again = f"again at {fields['retry_at']}" if fields["retry_at"] else "the order is given up"
    return f"The balances as of {fields['as_of']} cannot be read, {again}: {fields['reason']}"


def _render_key_rejected(fields: Fields) -> str:
    # What a daemon before this one wrote has no end.
    until = f", until {fields['until']}" if "until" in fields else ""
    return f"The {fields['key']} key is not accepted while the change of keys settles{until}."


def _render_clock_mismatch(fields: Fields) -> str:
    configured, measured = (
        f"{fields[f'{which}_offset_seconds'] / 3600:+.2f} h" for which in ("configured", "measured")
    )
    return f"The office's clock is {measured} from UTC, the zone of the configuration {configured}."


_RENDERERS: Mapping[str, Callable[[Fields], str]] = {
    "office_started": lambda _: "Watching begins.",
    "office_stopped": lambda fields: f"Watching ends: {fields['reason']}.",
    "condition_changed": _render_condition_changed,
    "aging_status_changed": _render_aging_observed,
    "failure_seen": _render_failure_seen,
    "requests_summarized": _render_summary,
    "request_finished": _render_request_finished,
    "pull_started": _render_pull_started,
    "pull_rejected": lambda fields: f"The pull is thrown away: {fields['reason']}.",
    "snapshot_held": lambda fields: (
        f"The snapshot of {fields['aging_date']} is held until {fields['retry_at']}: {fields['reason']}"
    ),
    "snapshot_published": _render_snapshot_published,
    "reader_changed": lambda fields: (
        f"Read by {fields['after']} from now on, not by {fields['before']}: {fields['reason']}"
    ),
    "key_rejected_during_rotation": _render_key_rejected,
    "key_rotated": lambda _: "The new key is accepted; the former one is forgotten.",
    "clock_mismatch": _render_clock_mismatch,
    "command_received": _render_command,
    "backfill_requested": lambda fields: f"The balances as of {fields['as_of']} are ordered, by {fields['via']}.",
    "backfill_published": lambda fields: (
        f"The balances as of {fields['as_of']} are stored: {_format_count(fields['guarantors'], 'guarantor')}; "
        f"{_format_count(fields['requests'], 'request')}, {fields['seconds']}."
    ),
    "backfill_failed": _render_backfill_failed,
    "backfill_cancelled": lambda fields: f"The balances as of {fields['as_of']} are not wanted any more.",
    "delivery_succeeded": lambda fields: (
        f"{fields['sink']} has taken snapshot {fields['snapshot_id']} ({fields['content']}), "
        f"{fields['seconds']}{_format_refusals(fields['failed_attempts'])}."
    ),
    "delivery_attempt_failed": lambda fields: (
        f"{fields['sink']} does not take snapshot {fields['snapshot_id']}: "
        f"{fields['reason']} Again at {fields['retry_at']}."
    ),
    "delivery_abandoned": lambda fields: (
        f"{fields['sink']} has not taken snapshot {fields['snapshot_id']} in "
        f"{_format_count(fields['attempts'], 'attempt')}; it is given up: {fields['reason']}"
    ),
    "delivery_skipped": lambda fields: (
        f"{fields['sink']} does not get snapshot {fields['snapshot_id']}: {fields['reason']}"
    ),
    "deadline_missed": lambda fields: (
        f"{fields['deadline']} has passed without this night's balances{_format_streak(fields['nights_missed'])}."
    ),
    "deadline_recovered": lambda fields: (
        f"In time again, after {_format_count(fields['nights_missed'], 'night')} missed."
    ),
    "worker_crashed": lambda fields: (
        f"An error in oddaemon itself ({fields['error']}); tried again "
        f"{_format_times(fields['restarts_left'])} at most."
    ),
    "office_quarantined": lambda _: "Errors in oddaemon itself ended the office's worker too often.",
}


def _format_refusals(refusals: int) -> str:
    return f", after {_format_count(refusals, 'refusal')}" if refusals else ""


def _format_streak(nights: int) -> str:
    return f", {nights} nights in a row" if nights > 1 else ""


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _format_times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
