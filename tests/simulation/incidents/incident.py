"""An incident of the scenario, as a value: what fails, where and when, and which statuses it explains."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Status
from oddaemon.simulator.faults.faults import ScheduledFault
from tests.simulation.incidents.actions import Action


class Impact(Enum):
    """What an incident prevents at an office while it is active.

    Attributes:
        NOTHING: it does no harm by itself; everything must go on in time.
        SOMETIMES: it makes some requests fail, or makes the daemon lose time.
        DELAY: it makes the daemon lose time, and no one may be blamed for it.
        QUERIES: no balances can be read.
        EVERYTHING: nothing can be asked.
        AGING: the office's own aging is not what it should be; whatever is asked is answered.
    """

    NOTHING = "nothing"
    SOMETIMES = "sometimes"
    DELAY = "delay"
    QUERIES = "queries"
    EVERYTHING = "everything"
    AGING = "aging"


@dataclass(frozen=True)
class ExpectedStatus:
    """How an office may rightly be explained: one of these conditions, and words that name the cause."""

    conditions: frozenset[Condition]
    pattern: str

    def matches(self, status: Status) -> bool:
        """Whether the status says this."""
        return status.condition in self.conditions and re.search(self.pattern, status.reason) is not None


def expect_status(pattern: str, *conditions: Condition) -> ExpectedStatus:
    """These words (a regular expression) and any of these conditions."""
    return ExpectedStatus(frozenset(conditions), pattern)


def expect_failure(*kinds: FailureKind, conditions: tuple[Condition, ...] = (Condition.UNREACHABLE,)) -> ExpectedStatus:
    """Any of these failures, by the sentence of each."""
    meanings = "|".join(re.escape(kind.meaning) for kind in kinds)
    return expect_status(f"(?i:{meanings})", *conditions)


@dataclass(frozen=True)
class Incident:
    """One of the things that go wrong in a scenario.

    Attributes:
        kind: its name in summaries.
        office_ids: whom it concerns.
        begins: when, in seconds since the simulation began.
        ends: when nothing of it is left but what the daemon made of it.
        impact: what it prevents.
        scheduled_faults: the faults of requests.
        actions: what people and processes do.
        expected_statuses: how an office may be explained meanwhile; none where it need not be noticed.
    """

    kind: str
    office_ids: tuple[str, ...]
    begins: float
    ends: float
    impact: Impact
    scheduled_faults: tuple[ScheduledFault, ...] = ()
    actions: tuple[Action, ...] = ()
    expected_statuses: tuple[ExpectedStatus, ...] = ()

    def is_active(self, office_id: str, seconds: float) -> bool:
        """Whether it harms this office at this moment."""
        return office_id in self.office_ids and self.begins <= seconds < self.ends

    def describe(self) -> str:
        """The incident as text, for a reader of a seed's scenario."""
        whom = ", ".join(self.office_ids)
        what = [f"{self.kind} for {whom} from {self.begins:.0f} s to {self.ends:.0f} s, prevents {self.impact.value}"]
        what += [f"    injected: {scheduled.describe()}" for scheduled in self.scheduled_faults]
        what += [f"    deed: {action}" for action in self.actions]
        return "\n".join(what)


def find_harmful(incidents: Iterable[Incident], office_id: str, seconds: float) -> list[Incident]:
    """The incidents that harm this office at this moment."""
    return [each for each in incidents if each.impact is not Impact.NOTHING and each.is_active(office_id, seconds)]
