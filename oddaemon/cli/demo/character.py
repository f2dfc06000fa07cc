"""One office of the demo's night: what it is like, what is planted on it, and how it must stand in the morning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oddaemon.core.model import Condition, Owner

Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Expectation:
    """How an office must stand when the night is over."""

    condition: Condition = Condition.FRESH
    because: str = ""
    """A word of the true cause, which the reason must hold."""
    owner: Owner | None = None
    """Who must be named to act."""
    published: bool = True
    """Whether there is a snapshot at all."""
    tonight: bool = True
    """Whether aging completes tonight, so that the snapshot must be of tonight's run."""


@dataclass(frozen=True, slots=True)
class Character:
    """An office and the story planted on it."""

    id: str
    planted: str
    """For a newcomer: what is special here."""
    office: Table
    """Its `[[office]]` of the simulator's plan, but for the id."""
    faults: Sequence[Table] = field(default=())
    """Its `[[fault]]` tables, but for the office's id."""
    expected: Expectation = field(default=Expectation())
