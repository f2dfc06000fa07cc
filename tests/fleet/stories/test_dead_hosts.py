"""A host that dies or stands still at any moment: its offices go on elsewhere in time, and it does no harm."""

import signal
from collections.abc import Mapping
from dataclasses import replace

import anyio

from tests.fleet.evidence import HostDeath
from tests.fleet.figures import FigureRecorder
from tests.fleet.fleet import Fleet, make_offices, running_fleet
from tests.fleet.stories.conclusion import OPEN_SECONDS, conclude, fleet_story
from tests.fleet.stories.moments import HostMoment, at_moment

pytestmark = fleet_story

OFFICES = 32
STOPPED_SECONDS = 60.0
KILLS = {
    "a": HostMoment.REST,
    "b": HostMoment.REQUEST,
    "c": HostMoment.PERMIT,
    "d": HostMoment.COPY,
    "e": HostMoment.COMMIT,
    "f": HostMoment.COMMITTED,
}
STOPS = {name: moment for name, moment in KILLS.items() if moment is not HostMoment.COMMITTED}


async def strike(
    fleet: Fleet, moments: Mapping[str, HostMoment], number: signal.Signals, story: str
) -> dict[str, HostDeath]:
    """Send each host the signal at its moment."""
    deaths = {}
    for name, moment in moments.items():
        async with at_moment(fleet, name, moment):
            fleet.hosts[name].send_signal(number)
            deaths[f"{story} {moment}"] = await fleet.record_death(name)
    return deaths


async def test_offices_of_killed_hosts_go_on_elsewhere(figures: FigureRecorder) -> None:
    async with running_fleet("abcdefgh", make_offices(OFFICES)) as fleet:
        await fleet.start(*fleet.hosts)
        deaths = await strike(fleet, KILLS, signal.SIGKILL, "kill -9")
        await fleet.wait_for(lambda sample: not sample.list_unheld(), "g and h hold everything")
        await wait_until_asked(fleet, deaths)
        await conclude(fleet, figures, deaths)


async def test_hosts_that_stand_still_for_a_minute_come_back_as_others(figures: FigureRecorder) -> None:
    async with running_fleet("abcdefg", make_offices(OFFICES)) as fleet:
        await fleet.start(*fleet.hosts)
        deaths = await strike(fleet, STOPS, signal.SIGSTOP, "SIGSTOP")
        await anyio.sleep(STOPPED_SECONDS)
        before = max(fleet.sample.members)
        back = await fleet.simulator.read_seconds()
        for name in STOPS:
            fleet.hosts[name].send_signal(signal.SIGCONT)
        await fleet.wait_until_settled(*fleet.hosts)
        assert {fleet.sample.members[number].host for number in fleet.sample.members if number > before} == set(STOPS)
        await wait_until_asked(fleet, deaths)
        # An office may be back before any other host was allowed to ask it.
        await conclude(fleet, figures, {story: replace(death, back_seconds=back) for story, death in deaths.items()})


async def wait_until_asked(fleet: Fleet, deaths: Mapping[str, HostDeath]) -> None:
    """Wait until each office that was under way may be asked again, and has had the time to be."""
    last = max(death.seconds for death in deaths.values())
    left = last + OPEN_SECONDS - await fleet.simulator.read_seconds()
    await anyio.sleep(max(0.0, left))
