"""When to ask an office again: spread evenly over the fleet, the same for an office each time."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from oddaemon.core.backoff import compute_backoff_seconds, compute_retry_seconds
from oddaemon.core.failures.failure import Failure
from oddaemon.core.failures.recovery import Recovery
from oddaemon.core.model import Cadence, OfficeSpec
from oddaemon.core.office.aging import BLOCKING_STATUSES, Aging, AgingStatus, compute_missed_at
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.office.completion import Completion, compute_probe_seconds

SOON_SECONDS = 45.0
"""Between two attempts that reach no one while something fails on this side of the API."""
FIRST_PROBE_SHARE = 0.8
"""Of the length of the last run: when to ask for the first time after the due time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def compute_phase(office_id: str) -> float:
    """An office's own place in any interval, from 0 to below 1, from its id alone: offices due together spread out."""
    return int.from_bytes(hashlib.sha256(office_id.encode()).digest()[:6]) / 2**48


def compute_next_slot(office_id: str, interval_seconds: float, after: datetime) -> datetime:
    """The first instant later than `after` that is this office's turn in a grid of `interval_seconds`."""
    offset = compute_phase(office_id) * interval_seconds
    elapsed = (after - _EPOCH).total_seconds() - offset
    turns = elapsed // interval_seconds + 1
    slot = _EPOCH + timedelta(seconds=offset + turns * interval_seconds)
    return slot if slot > after else slot + timedelta(seconds=interval_seconds)


def compute_next_probe(
    office_id: str,
    aging: Aging,
    cadence: Cadence,
    run_seconds: float | None,
    now: datetime,
    *,
    nights: Sequence[Completion] = (),
) -> datetime:
    """When to ask again how aging stands.

    While a run is due or running, when the last nights' runs were complete, or often, but not before most of its usual
    length has passed; rarely otherwise, and in any case as soon as the next run may be over.

    Args:
        office_id: Gives the office its own place in each interval.
        aging: How it stood at `now`.
        cadence: The intervals.
        run_seconds: From the due time to completion, last time; None: not known.
        now: This instant.
        nights: When the last nights' runs were complete.
    """
    interval_seconds = cadence.idle_probe_seconds
    if aging.status is AgingStatus.MISSED:
        interval_seconds = cadence.late_probe_seconds
    elif aging.status in BLOCKING_STATUSES:
        interval_seconds = cadence.blocked_probe_seconds
    elif aging.status is AgingStatus.RUNNING and aging.due_at is None:
        interval_seconds = cadence.probe_seconds
    slot = compute_next_slot(office_id, interval_seconds, now)
    due_at = aging.due_at if aging.status in (AgingStatus.DUE, AgingStatus.RUNNING) else aging.next_due_at
    if due_at is None:
        return slot
    if nights:
        elapsed_seconds = (now - due_at).total_seconds()
        probe_seconds = compute_probe_seconds(nights, elapsed_seconds, cadence.probe_seconds)
        return min(slot, due_at + timedelta(seconds=probe_seconds))
    expected_at = max(now, due_at + timedelta(seconds=FIRST_PROBE_SHARE * (run_seconds or 0.0)))
    return min(slot, compute_next_slot(office_id, cadence.probe_seconds, expected_at))


def compute_late_at(aging: Aging, clock: OfficeClock, fresh_by: time | None, cadence: Cadence) -> datetime | None:
    """When the next snapshot is late: the first `fresh_by` after its run is due, or when that run counts as missed."""
    if fresh_by is None or aging.pending_due_at is None:
        return None
    late_at = clock.find_next(fresh_by, aging.pending_due_at)
    return (
        min(late_at, compute_missed_at(aging.pending_due_at, cadence))
        if aging.status is AgingStatus.MISSED
        else late_at
    )


def compute_backoff_at(attempts: int, now: datetime, spec: OfficeSpec, jitter: float) -> datetime:
    """When to try again after this many failures in a row."""
    return now + timedelta(seconds=compute_backoff_seconds(attempts, jitter, spec.cadence))


def compute_retry_at(failure: Failure, attempts: int, now: datetime, spec: OfficeSpec, jitter: float) -> datetime:
    """When to ask again: when the server says, or at a slot of the office if no request has reached the server."""
    if failure.kind.recovery is Recovery.STAND_BY:
        return compute_next_slot(spec.id, spec.cadence.late_probe_seconds, now)
    if failure.kind.recovery is Recovery.SOON:
        return compute_next_slot(spec.id, compute_soon_seconds(failure), now)
    seconds = compute_retry_seconds(failure.retry_after_seconds, attempts, jitter, spec.cadence)
    return now + timedelta(seconds=seconds)


def compute_soon_seconds(failure: Failure) -> float:
    """The interval of the slots at which to ask again soon: as the circuit breaker says, within `SOON_SECONDS`."""
    requested = failure.retry_after_seconds or SOON_SECONDS
    return min(max(1.0, requested), SOON_SECONDS)  # in this order a number that is none (NaN) loses


def compute_latest_wait(now: datetime, spec: OfficeSpec) -> datetime:
    """The end of the longest wait that any rule can ask for."""
    cadence = spec.cadence
    longest_seconds = max(
        cadence.probe_seconds,
        cadence.late_probe_seconds,
        cadence.idle_probe_seconds,
        cadence.blocked_probe_seconds,
        cadence.backoff_max_seconds,
        cadence.retry_after_max_seconds,
        spec.plausibility.hold_seconds,
    )
    return now + timedelta(seconds=longest_seconds)
