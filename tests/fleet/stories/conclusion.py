"""What the stories of a fleet have in common: how they end, and what is recorded of a take-over."""

from collections.abc import Mapping, Sequence

import pytest

from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.fleet.checkers.traffic import TAKEOVER_SECONDS, find_late_takeovers, measure_takeovers
from tests.fleet.evidence import HostDeath
from tests.fleet.figures import FigureRecorder
from tests.fleet.fleet import Fleet
from tests.postgres_server import find_missing_requirement

VIOLATIONS_SHOWN = 20
OPEN_SECONDS = 80.0
"""For an office with a request under way when its host died."""

fleet_story = [
    pytest.mark.real("starts hosts as processes, with a PostgreSQL of their own"),
    pytest.mark.slow("a take-over takes its time"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]


async def conclude(
    fleet: Fleet,
    figures: FigureRecorder,
    deaths: Mapping[str, HostDeath] | None = None,
    *,
    may_lose_commits: bool = False,
) -> list[RecordedRequest]:
    """Hold a run against every invariant; gives all its requests.

    Args:
        fleet: That has come to the end of its story.
        figures: Take how soon the offices of dead hosts were asked elsewhere.
        deaths: By what happened.
        may_lose_commits: The database itself was allowed to lose what it had acknowledged.

    Raises:
        AssertionError: An invariant does not hold.
    """
    requests = await fleet.simulator.list_requests()
    violations = await fleet.find_violations(requests, may_lose_commits=may_lose_commits)
    for story, death in (deaths or {}).items():
        takeovers = measure_takeovers(death, requests, deaths.values() if deaths else ())
        quiet = [each.seconds for each in takeovers if each.seconds is not None and each.open_seconds is None]
        others = [each.seconds for each in takeovers if each.seconds is not None and each.open_seconds is not None]
        figures.record_all(story, "asked elsewhere", quiet, TAKEOVER_SECONDS)
        figures.record_all(story, "asked elsewhere, with a request under way", others, OPEN_SECONDS)
        violations += find_late_takeovers(takeovers)
    figures.record("all", "requests", len(requests), "")
    figures.record("all", "violations", len(violations), "", 0)
    assert not violations, _format(list(map(str, violations))) + fleet.describe()
    return requests


def _format(lines: Sequence[str]) -> str:
    rest = len(lines) - VIOLATIONS_SHOWN
    return "\n".join([*lines[:VIOLATIONS_SHOWN], *([f"... and {rest} more"] if rest > 0 else []), ""])
