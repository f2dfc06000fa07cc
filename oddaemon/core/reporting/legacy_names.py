"""Names in journal entries that were written before the first release: translated when they are read or shown."""

from collections.abc import Mapping

_RENAMED_EVENTS = {
    "aging_observed": "aging_status_changed",
    "asked": "requests_summarized",
    "backfill_ordered": "backfill_requested",
    "delivery_given_up": "delivery_abandoned",
    "delivery_made": "delivery_succeeded",
    "delivery_refused": "delivery_attempt_failed",
    "fresh_again": "deadline_recovered",
    "fresh_by_missed": "deadline_missed",
    "key_in_force": "key_rotated",
    "key_not_in_force": "key_rejected_during_rotation",
    "order_given": "command_received",
}
"""Names of events from before the first release."""

_REASON = {"why": "reason"}
_RENAMED_FIELDS: Mapping[str, Mapping[str, str]] = {
    "backfill_failed": _REASON,
    "command_received": {"order": "command", "answer": "response", "is_refused": "rejected"},
    "deadline_missed": {"nights": "nights_missed"},
    "deadline_recovered": {"nights": "nights_missed"},
    "delivery_abandoned": _REASON,
    "delivery_attempt_failed": _REASON,
    "delivery_skipped": _REASON,
    "delivery_succeeded": {"refusals": "failed_attempts"},
    "failure_seen": {"exchange": "request"},
    "office_stopped": _REASON,
    "requests_summarized": {"times": "requests", "kinds": "by_kind"},
    "snapshot_held": {**_REASON, "until": "retry_at"},
}
"""The same for the fields of an event, by its present name."""
_RENAMED_VALUES = {"former": "old", "lane_cut": "column_truncated", "aging_moved": "aging_changed"}
"""The same for the values of the fields in `_CODED_FIELDS`."""
_CODED_FIELDS = frozenset({"key", "kind", "outcome"})


def translate_names(event: str, fields: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """The name and the fields of an event as they are called now; present names stay."""
    event = _RENAMED_EVENTS.get(event, event)
    renamed = _RENAMED_FIELDS.get(event, {})
    return event, {
        renamed.get(name, name): _RENAMED_VALUES.get(str(value), value) if name in _CODED_FIELDS else value
        for name, value in fields.items()
    }
