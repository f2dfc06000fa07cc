"""An office's journal for people: each entry a line, on the clock of whoever reads it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from oddaemon.cli.words import duration_of
from oddaemon.core.standing import capital
from oddaemon.engine.details import EntryDocument

Fields = Mapping[str, Any]

STYLES = {"warning": "yellow", "error": "red", "debug": "dim"}
QUIET = frozenset({"asked", "office_started", "office_stopped"})
"""What is no news is dimmed."""


def timeline(journal: Sequence[EntryDocument]) -> Iterator[tuple[str, str, str]]:
    """Time, sentence and style of each entry."""
    for entry in journal:
        at = datetime.fromisoformat(entry["at"]).astimezone()
        style = "dim" if entry["event"] in QUIET else STYLES.get(entry["level"], "")
        yield f"{at:%Y-%m-%d %H:%M:%S}", sentence(entry["event"], entry["fields"]), style


def sentence(event: str, fields: Fields) -> str:
    """What happened; of an event that a newer daemon wrote, its fields as they are."""
    try:
        return _SENTENCES[event](fields)
    except (KeyError, TypeError, ValueError):
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())
        return f"{capital(event.replace('_', ' ')).rstrip('.')}{f': {told}' if told else ''}."


def _condition_changed(fields: Fields) -> str:
    before = f"{fields['before']} → " if fields["before"] else ""
    return f"{before}{fields['after']}: {fields['reason']}"


def _aging_observed(fields: Fields) -> str:
    status = str(fields["status"]).replace("_", " ")
    return f"Aging: {status}, last one {fields['aging_date'] or 'never'}."


def _failure_seen(fields: Fields) -> str:
    exchange = fields.get("exchange")
    met = (
        f" Met by a {exchange['kind'].replace('_', ' ')} after {duration_of(exchange['seconds'])}." if exchange else ""
    )
    again = f" Again at {_clock(fields['retry_at'])}." if fields["retry_at"] else ""
    return f"{capital(str(fields['message']))}{met}{again}"


def _asked(fields: Fields) -> str:
    times, failed, kinds = fields["times"], fields["failed"], fields["kinds"]
    parts = [f"Asked {_times(times)} since {_clock(fields['since'])}" if times > 1 else "Asked once"]
    parts += [f"{_listed(kinds)}, {duration_of(fields['seconds'])}, {fields['bytes']:,} bytes"] if kinds else []
    parts += [f"failed as before, {_listed(failed)}"] if failed else []
    return f"{'; '.join(parts)}."


def _request_finished(fields: Fields) -> str:
    kind, seconds = fields["kind"].replace("_", " "), duration_of(fields["seconds"])
    return f"A request ({kind}) ended after {seconds}: {fields['outcome'].replace('_', ' ')}."


def _pull_started(fields: Fields) -> str:
    if fields["resumed_rows"]:
        return f"The pull goes on after {fields['resumed_rows']:,} rows, by {fields['reader']}."
    return f"A pull begins, by {fields['reader']}."


def _snapshot_published(fields: Fields) -> str:
    late = f", {duration_of(fields['late_by_seconds'])} late" if fields["late_by_seconds"] is not None else ""
    changes = f"{fields['new']:,} new, {fields['changed']:,} changed, {fields['cleared']:,} cleared"
    took = f"{_counted(fields['requests'], 'request')}, {duration_of(fields['seconds'])}{late}"
    return (
        f"Snapshot {fields['snapshot_id']} of {fields['aging_date']} is published: "
        f"{_counted(fields['guarantors'], 'guarantor')} ({changes}); {took}."
    )


def _order_given(fields: Fields) -> str:
    by = "" if fields["uid"] is None else f" by user {fields['uid']}"
    return f"Order `{fields['order']}`{by}{', refused' if fields['is_refused'] else ''}: {fields['answer']}"


def _backfill_failed(fields: Fields) -> str:
    again = f"again at {_clock(fields['retry_at'])}" if fields["retry_at"] else "the order is given up"
    return f"The balances as of {fields['as_of']} cannot be read, {again}: {fields['why']}"


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
        f"The snapshot of {fields['aging_date']} is held until {_clock(fields['until'])}: {fields['why']}"
    ),
    "snapshot_published": _snapshot_published,
    "reader_changed": lambda fields: (
        f"Read by {fields['after']} from now on, not by {fields['before']}: {fields['reason']}"
    ),
    "key_not_in_force": lambda fields: f"The {fields['key']} key is not accepted while the change of keys settles.",
    "key_in_force": lambda _: "The new key is accepted; the former one is forgotten.",
    "clock_mismatch": _clock_mismatch,
    "order_given": _order_given,
    "backfill_ordered": lambda fields: f"The balances as of {fields['as_of']} are ordered, by {fields['via']}.",
    "backfill_published": lambda fields: (
        f"The balances as of {fields['as_of']} are stored: {_counted(fields['guarantors'], 'guarantor')}; "
        f"{_counted(fields['requests'], 'request')}, {duration_of(fields['seconds'])}."
    ),
    "backfill_failed": _backfill_failed,
    "delivery_made": lambda fields: (
        f"{fields['sink']} has taken snapshot {fields['snapshot_id']} ({fields['content']}), "
        f"{duration_of(fields['seconds'])}{_after_refusals(fields['refusals'])}."
    ),
    "delivery_refused": lambda fields: (
        f"{fields['sink']} does not take snapshot {fields['snapshot_id']}: "
        f"{fields['why']} Again at {_clock(fields['retry_at'])}."
    ),
    "delivery_given_up": lambda fields: (
        f"{fields['sink']} has not taken snapshot {fields['snapshot_id']} in "
        f"{_counted(fields['attempts'], 'attempt')}; it is given up: {fields['why']}"
    ),
    "delivery_skipped": lambda fields: (
        f"{fields['sink']} does not get snapshot {fields['snapshot_id']}: {fields['why']}"
    ),
    "fresh_by_missed": lambda fields: (
        f"{_clock(fields['deadline'])} has passed without this night's balances{_in_a_row(fields['nights'])}."
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


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"


def _listed(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counted.items())


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
