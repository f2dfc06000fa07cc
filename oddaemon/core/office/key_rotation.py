"""The rotation of a customer key: from the first refusal of the new key until it is accepted or the time is over."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The state of the rotation of an office's key."""

    ends_at: datetime
    """After this instant only the new key is used."""
    previous_accepted: bool
    """Whether the previous key is accepted meanwhile."""


def describe_key_rotation(previous_accepted: bool, ends_at: str) -> str:
    """Describe the rotation; `ends_at` is formatted for the reader's clock."""
    if previous_accepted:
        state = "it is not accepted yet, and the previous key is used meanwhile"
    else:
        state = "neither the new nor the previous key is accepted"
    return f"A new key has until {ends_at} to be accepted: {state}. After that, the office is blocked."
