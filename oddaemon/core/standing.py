"""How an office stands, in the words that people read."""

from collections.abc import Mapping
from datetime import datetime

from oddaemon.core.failure import Failure
from oddaemon.core.letters import letter_about
from oddaemon.core.model import Condition, Owner, Standing

TROUBLE = frozenset({Condition.BLOCKED, Condition.SUSPECT})
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
OWNERS: Mapping[Owner, str] = {
    Owner.US: "you, who run oddaemon",
    Owner.OFFICE: "the office",
    Owner.VENDOR: "Open Dental",
}
"""Who must act, as told to whoever runs the daemon."""
ACTORS: Mapping[Owner, str] = {Owner.US: "you", Owner.OFFICE: "the office", Owner.VENDOR: "Open Dental"}
"""The same in a word or two."""


def stand(
    before: Standing,
    now: datetime,
    condition: Condition,
    reason: str,
    *,
    owner: Owner | None = None,
    advice: str = "",
    letter: str = "",
    late_at: datetime | None = None,
    keep_trouble: bool = False,
) -> Standing:
    """The standing from now on; `since` stays where the condition does.

    With `keep_trouble`, what a human must act upon stays said until an action has succeeded.
    """
    if keep_trouble and before.condition in TROUBLE:
        return before
    since = before.since if before.condition is condition else now
    return Standing(condition, since, reason, owner, advice, late_at=late_at, letter=letter)


def paused(before: Standing, now: datetime) -> Standing:
    """Switched off by the configuration."""
    reason, advice = "Switched off in the configuration.", "Set `enabled = true` to go on."
    return stand(before, now, Condition.PAUSED, reason, owner=Owner.US, advice=advice)


def paused_by_order(before: Standing, now: datetime) -> Standing:
    """Left alone because a human said so."""
    reason, advice = "Paused by an order.", "`oddaemon office resume` goes on."
    return stand(before, now, Condition.PAUSED, reason, owner=Owner.US, advice=advice)


def troubled(
    before: Standing, now: datetime, condition: Condition, failure: Failure, reason: str | None = None
) -> Standing:
    """In trouble through `failure`: what happened, whose it is and what to do, from the table of failures."""
    rule = failure.rule
    reason = capital(failure.sentence) if reason is None else reason
    letter = letter_about(failure)
    return stand(
        before, now, condition, reason, owner=rule.owner, advice=rule.advice, letter=letter, late_at=before.late_at
    )


def capital(sentence: str) -> str:
    """A clause made a sentence."""
    text = sentence[:1].upper() + sentence[1:]
    return text if text.endswith((".", "…", "!")) else f"{text}."
