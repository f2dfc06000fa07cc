"""Makes the status of an office that people read."""

from collections.abc import Mapping
from datetime import datetime

from oddaemon.core.failures.failure import Failure
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.model import Condition, Owner, Status

ACTION_REQUIRED = frozenset({Condition.BLOCKED, Condition.SUSPECT})
"""A human must look at these: they stay shown until an action has succeeded."""
WORST_FIRST = (
    Condition.SUSPECT,
    Condition.BLOCKED,
    Condition.LATE,
    Condition.UNREACHABLE,
    Condition.PULLING,
    Condition.AGING,
    Condition.WAITING,
    Condition.FRESH,
    Condition.PAUSED,
)
"""The order in which people want to see offices."""
OWNER_NAMES: Mapping[Owner, str] = {
    Owner.US: "you, who run oddaemon",
    Owner.OFFICE: "the office",
    Owner.VENDOR: "Open Dental",
}
"""Who must act, as the operator of the daemon reads it."""
OWNER_SHORT_NAMES: Mapping[Owner, str] = {Owner.US: "you", Owner.OFFICE: "the office", Owner.VENDOR: "Open Dental"}
"""The same, shorter."""


def make_status(
    previous: Status,
    now: datetime,
    condition: Condition,
    reason: str,
    *,
    owner: Owner | None = None,
    advice: str = "",
    message: str = "",
    late_at: datetime | None = None,
    keep_action_required: bool = False,
) -> Status:
    """Make the next status. `since` is kept while the condition stays the same.

    With `keep_action_required`, a status on which a human must act is kept until an action has succeeded.
    """
    if keep_action_required and previous.condition in ACTION_REQUIRED:
        return previous
    since = previous.since if previous.condition is condition else now
    return Status(condition, since, reason, owner, advice, late_at=late_at, letter=message)


def make_paused_status(previous: Status, now: datetime, *, enabled: bool) -> Status:
    """The status of an office that an operator has paused, or that the configuration does not enable."""
    reason = "Paused by an operator." if enabled else "Disabled in the configuration."
    advice = "Resume with `oddaemon office resume`." if enabled else "Set `enabled = true` to resume."
    return make_status(previous, now, Condition.PAUSED, reason, owner=Owner.US, advice=advice)


def make_failure_status(
    previous: Status, now: datetime, condition: Condition, failure: Failure, reason: str | None = None
) -> Status:
    """The status after a failure: reason, owner, advice and message come from the table of failures."""
    reason = to_sentence(failure.sentence) if reason is None else reason
    message = format_failure_message(failure)
    return make_status(
        previous,
        now,
        condition,
        reason,
        owner=failure.kind.owner,
        advice=failure.kind.advice,
        message=message,
        late_at=previous.late_at,
    )


def to_sentence(sentence: str) -> str:
    """Make a sentence of a clause."""
    text = sentence[:1].upper() + sentence[1:]
    return text if text.endswith((".", "…", "!")) else f"{text}."
