"""Whether the daemon does its work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the configuration is applied and the database open."""

    ready: bool
    reason: str = ""
    """What is missing, as a clause; "": nothing."""
