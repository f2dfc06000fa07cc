"""An office's journal in sentences, for whoever reads it: at a terminal, or on a page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oddaemon.core.standing import capital

Fields = Mapping[str, Any]

_INSTANTS = frozenset({"since", "until", "retry_at", "deadline"})


@dataclass(frozen=True, slots=True)
class Wording:
    """How instants and lengths are told where the sentence is read."""

    clock: Callable[[datetime], str]
    length: Callable[[float], str]
    """Of seconds."""


def sentence(event: str, fields: Fields, wording: Wording) -> str:
    """What happened; of an event that a newer daemon wrote, its fields as they are."""
    try:
        return _SENTENCES[event](_worded(fields, wording))
    except (KeyError, TypeError, ValueError):
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())
        return f"{capital(event.replace('_', ' ')).rstrip('.')}{f': {told}' if told else ''}."


def _worded(fields: Fields, wording: Wording) -> Fields:
    """The fields, instants and lengths among them as they are told."""
    return {name: _told(name, value, wording) for name, value in fields.items()}


def _told(name: str, value: object, wording: Wording) -> object:
    match value:
        case str() if name in _INSTANTS:
            return wording.clock(datetime.fromisoformat(value))
        case int() | float() if name.endswith("seconds") and not name.endswith("offset_seconds"):
            return wording.length(value)
        case dict() if name == "exchange":
            return _worded(value, wording)
    return value


def _condition_changed(fields: Fields) -> str:
    before = f"{fields['before']} → " if fields["before"] else ""
    return f"{before}{fields['after']}: {fields['reason']}"


def _aging_observed(fields: Fields) -> str:
    status = str(fields["status"]).replace("_", " ")
    return f"Aging: {status}, last one {fields['aging_date'] or 'never'}."


def _failure_seen(fields: Fields) -> str:
    exchange = fields.get("exchange")
    met = f" Met by a {exchange['kind'].replace('_', ' ')} after {exchange['seconds']}." if exchange else ""
    again = f" Again at {fields['retry_at']}." if fields["retry_at"] else ""
    return f"{capital(str(fields['message']))}{met}{again}"


def _asked(fields: Fields) -> str:
    times, failed, kinds = fields["times"], fields["failed"], fields["kinds"]
    parts = [f"Asked {_times(times)} since {fields['since']}" if times > 1 else "Asked once"]
    parts += [f"{_listed(kinds)}, {fields['seconds']}, {fields['bytes']:,} bytes"] if kinds else []
    parts += [f"failed as before, {_listed(failed)}"] if failed else []
    return f"{'; '.join(parts)}."


def _request_finished(fields: Fields) -> str:
    kind, seconds = fields["kind"].replace("_", " "), fields["seconds"]
    return f"A request ({kind}) ended after {seconds}: {fields['outcome'].replace('_', ' ')}."


def _pull_started(fields: Fields) -> str:
    if fields["resumed_rows"]:
        return f"The pull goes on after {fields['resumed_rows']:,} rows, by {fields['reader']}."
    return f"A pull begins, by {fields['reader']}."


def _snapshot_published(fields: Fields) -> str:
    late = f", {fields['late_by_seconds']} late" if fields["late_by_seconds"] is not None else ""
    changes = f"{fields['new']:,} new, {fields['changed']:,} changed, {fields['cleared']:,} cleared"
    took = f"{_counted(fields['requests'], 'request')}, {fields['seconds']}{late}"
    return (
        f"Snapshot {fields['snapshot_id']} of {fields['aging_date']} is published: "
        f"{_counted(fields['guarantors'], 'guarantor')} ({changes}); {took}."
    )


def _order_given(fields: Fields) -> str:
    by = "" if fields["uid"] is None else f" by user {fields['uid']}"
    return f"Order `{fields['order']}`{by}{', refused' if fields['is_refused'] else ''}: {fields['answer']}"


def _backfill_failed(fields: Fields) -> str:
    again = f"again at {fields['retry_at']}" if fields["retry_at"] else "the order is given up"
    return f"The balances as of {fields['as_of']} cannot be read, {again}: {fields['why']}"


def _key_not_in_force(fields: Fields) -> str:
    # What a daemon before this one wrote has no end.
    until = f", until {fields['until']}" if "until" in fields else ""
    return f"The {fields['key']} key is not accepted while the change of keys settles{until}."


def _clock_mismatch(fields: Fields) -> str:
    configured, measured = (
        f"{fields[f'{which}_offset_seconds'] / 3600:+.2f} h" for which in ("configured", "measured")
    )
    return f"The office's clock is {measured} from UTC, the zone of the configuration {configured}."


_SENTENCES: Mapping[str, Callable[[Fields], str]] = {
    "office_started": lambda _: "Watching begins.",
    "office_stopped": lambda fields: f"Watching ends: {fields['why']}.",
    "condition_changed": _condition_changed,
    "aging_observed": _aging_observed,
    "failure_seen": _failure_seen,
    "asked": _asked,
    "request_finished": _request_finished,
    "pull_started": _pull_started,
    "pull_rejected": lambda fields: f"The pull is thrown away: {fields['reason']}.",
    "snapshot_held": lambda fields: (
        f"The snapshot of {fields['aging_date']} is held until {fields['until']}: {fields['why']}"
    ),
    "snapshot_published": _snapshot_published,
    "reader_changed": lambda fields: (
        f"Read by {fields['after']} from now on, not by {fields['before']}: {fields['reason']}"
    ),
    "key_not_in_force": _key_not_in_force,
    "key_in_force": lambda _: "The new key is accepted; the former one is forgotten.",
    "clock_mismatch": _clock_mismatch,
    "order_given": _order_given,
    "backfill_ordered": lambda fields: f"The balances as of {fields['as_of']} are ordered, by {fields['via']}.",
    "backfill_published": lambda fields: (
        f"The balances as of {fields['as_of']} are stored: {_counted(fields['guarantors'], 'guarantor')}; "
        f"{_counted(fields['requests'], 'request')}, {fields['seconds']}."
    ),
    "backfill_failed": _backfill_failed,
    "backfill_cancelled": lambda fields: f"The balances as of {fields['as_of']} are not wanted any more.",
    "delivery_made": lambda fields: (
        f"{fields['sink']} has taken snapshot {fields['snapshot_id']} ({fields['content']}), "
        f"{fields['seconds']}{_after_refusals(fields['refusals'])}."
    ),
    "delivery_refused": lambda fields: (
        f"{fields['sink']} does not take snapshot {fields['snapshot_id']}: "
        f"{fields['why']} Again at {fields['retry_at']}."
    ),
    "delivery_given_up": lambda fields: (
        f"{fields['sink']} has not taken snapshot {fields['snapshot_id']} in "
        f"{_counted(fields['attempts'], 'attempt')}; it is given up: {fields['why']}"
    ),
    "delivery_skipped": lambda fields: (
        f"{fields['sink']} does not get snapshot {fields['snapshot_id']}: {fields['why']}"
    ),
    "fresh_by_missed": lambda fields: (
        f"{fields['deadline']} has passed without this night's balances{_in_a_row(fields['nights'])}."
    ),
    "fresh_again": lambda fields: f"In time again, after {_counted(fields['nights'], 'night')} missed.",
    "worker_crashed": lambda fields: (
        f"An error in oddaemon itself ({fields['error']}); tried again {_times(fields['restarts_left'])} at most."
    ),
    "office_quarantined": lambda _: "Errors in oddaemon itself ended the office's worker too often.",
}


def _after_refusals(refusals: int) -> str:
    return f", after {_counted(refusals, 'refusal')}" if refusals else ""


def _in_a_row(nights: int) -> str:
    return f", {nights} nights in a row" if nights > 1 else ""


def _listed(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counted.items())


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
