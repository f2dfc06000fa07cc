"""A changed customer key on trial: from its first refusal until it is accepted, or until the time for that is over."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """How the change of an office's key goes."""

    ends_at: datetime
    """From then on only the new key is used."""
    previous_accepted: bool
    """Whether the former one does its work meanwhile."""


def describe_key_rotation(previous_accepted: bool, ends_at: str) -> str:
    """The trial in words, its end as the reader's clock shows it."""
    if previous_accepted:
        state = "it is not accepted yet. The former one is used meanwhile"
    else:
        state = "neither it nor the former one is accepted"
    return f"A new key is on trial until {ends_at}: {state}; then the office is blocked."
