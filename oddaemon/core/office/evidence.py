"""What an office has shown before, and what that says about what it shows now."""

from oddaemon.core.failures.classify import refine_unproven_key
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Cadence, OfficeSpec, Preferences, Reader, SnapshotSummary
from oddaemon.core.office.aging import Aging, AgingStatus, compute_missed_at
from oddaemon.core.office.state import Intent, OfficeState
from oddaemon.core.snapshot.plausibility import find_implausibility, is_confirmed

KEY_FAILURES = frozenset(
    {FailureKind.KEY_UNASSIGNED, FailureKind.KEY_REJECTED, FailureKind.KEY_NEVER_ACCEPTED, FailureKind.OTHER_DATABASE}
)
"""After one of these, a key may open another office's database."""
_MAYBE_CAUSED_BY_STATEMENT = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.GATEWAY_TIMEOUT,
        FailureKind.SERVER_ERROR,
        FailureKind.MALFORMED,
        FailureKind.CONNECTION_LOST,
        FailureKind.PROXY_CONNECTION_LOST,
        FailureKind.UNKNOWN_400,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.OFFICE_DATABASE,
        FailureKind.UNEXPECTED_STATUS,
    }
)
"""A statement that is too much for the office causes these, and so does an office in trouble."""


def can_accept(state: OfficeState) -> bool:
    """Whether the office is held back by something that an operator can accept."""
    return state.held is not None or state.stranger is not None


def has_authenticated(state: OfficeState) -> bool:
    """Whether any key has ever opened the office's database."""
    return state.published is not None or state.identity is not None or state.preferences is not None


def refine_failure(state: OfficeState, failure: Failure) -> Failure:
    """Refine a failure by whether any key has ever opened the office's database."""
    return failure if has_authenticated(state) else refine_unproven_key(failure)


def is_maybe_caused_by_statement(state: OfficeState, failure: Failure, spec: OfficeSpec) -> bool:
    """Whether the packed statement may be the cause, which another reader avoids, and not the office."""
    is_packed_pull = state.intent is Intent.PULL and state.reader is Reader.STATEMENT and spec.reader is Reader.AUTO
    return is_packed_pull and failure.kind in _MAYBE_CAUSED_BY_STATEMENT


def find_doubt(state: OfficeState, summary: SnapshotSummary, touched: int, spec: OfficeSpec) -> str | None:
    """Why a verified snapshot must not be published yet, as a clause; None: publish it."""
    last = state.published.outline if state.published else None
    if state.accepted or last is None:
        return None
    if state.held is not None and is_confirmed(state.held, summary, spec.plausibility):
        return None
    return find_implausibility(last, summary, touched, spec.plausibility)


def is_missed_by_old_run_time(preferences: Preferences, aging: Aging, cadence: Cadence) -> bool:
    """Whether the run time must be read again before a run counts as missed: the office may have moved it since."""
    if aging.status is not AgingStatus.MISSED or aging.due_at is None:
        return False
    return preferences.read_at < compute_missed_at(aging.due_at, cadence)
