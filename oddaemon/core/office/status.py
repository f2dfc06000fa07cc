"""How an office stands, in the words that people read."""

from collections.abc import Mapping
from datetime import datetime

from oddaemon.core.failures.failure import Failure
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.model import Condition, Owner, Status

ACTION_REQUIRED = frozenset({Condition.BLOCKED, Condition.SUSPECT})
"""What a human must look at; it stays said until an action has succeeded."""
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
"""Who must act, as told to whoever runs the daemon."""
OWNER_SHORT_NAMES: Mapping[Owner, str] = {Owner.US: "you", Owner.OFFICE: "the office", Owner.VENDOR: "Open Dental"}
"""The same in a word or two."""


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
    """The standing from now on; `since` stays where the condition does.

    With `keep_action_required`, what a human must act upon stays said until an action has succeeded.
    """
    if keep_action_required and previous.condition in ACTION_REQUIRED:
        return previous
    since = previous.since if previous.condition is condition else now
    return Status(condition, since, reason, owner, advice, late_at=late_at, letter=message)


def make_disabled_status(previous: Status, now: datetime) -> Status:
    """Switched off by the configuration."""
    reason, advice = "Switched off in the configuration.", "Set `enabled = true` to go on."
    return make_status(previous, now, Condition.PAUSED, reason, owner=Owner.US, advice=advice)


def make_paused_status(previous: Status, now: datetime) -> Status:
    """Left alone because a human said so."""
    reason, advice = "Paused by an order.", "`oddaemon office resume` goes on."
    return make_status(previous, now, Condition.PAUSED, reason, owner=Owner.US, advice=advice)


def make_failure_status(
    previous: Status, now: datetime, condition: Condition, failure: Failure, reason: str | None = None
) -> Status:
    """In trouble through `failure`: what happened, whose it is and what to do, from the table of failures."""
    rule = failure.rule
    reason = to_sentence(failure.sentence) if reason is None else reason
    message = format_failure_message(failure)
    return make_status(
        previous,
        now,
        condition,
        reason,
        owner=rule.owner,
        advice=rule.advice,
        message=message,
        late_at=previous.late_at,
    )


def to_sentence(sentence: str) -> str:
    """A clause made a sentence."""
    text = sentence[:1].upper() + sentence[1:]
    return text if text.endswith((".", "…", "!")) else f"{text}."
