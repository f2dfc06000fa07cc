"""Names in journal entries that were written before the first release, so that they still read as sentences."""

from collections.abc import Mapping
from typing import Any

_EVENTS = {
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
_FIELDS = {
    "answer": "response",
    "exchange": "request",
    "is_refused": "rejected",
    "kinds": "by_kind",
    "nights": "nights_missed",
    "order": "command",
    "refusals": "failed_attempts",
    "times": "requests",
    "why": "reason",
}
_FIELDS_OF_SNAPSHOT_HELD = _FIELDS | {"until": "retry_at"}


def update_names(event: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """An entry's event and fields under their present names."""
    names = _FIELDS_OF_SNAPSHOT_HELD if event == "snapshot_held" else _FIELDS
    return _EVENTS.get(event, event), {names.get(name, name): value for name, value in fields.items()}
