"""The moments at which a host is stopped, killed or cut off: each is reached on purpose, and none by luck."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import anyio
import anyio.abc

from tests.fleet.evidence import Sample
from tests.fleet.fleet import Fleet
from tests.fleet.network.postgres_messages import COPY_DATA, ClientMessage
from tests.fleet.network.proxy import Interception, Moment

SLOW_SECONDS = 20.0
"""How long headquarters takes for the request in which a host is stopped."""
PERMIT = "UPDATE LEASE SET ASKED_AT"


class HostMoment(StrEnum):
    """Where a daemon stands."""

    REST = "at rest"
    PERMIT = "in a permit"
    """The database has permitted a request, and the daemon does not know it yet."""
    REQUEST = "in a request"
    COPY = "in a copy"
    """It sends balances."""
    COMMIT = "before a commit"
    COMMITTED = "after a commit"
    """The database has committed, and the daemon does not know it yet."""


def is_permit(message: ClientMessage) -> bool:
    return " ".join(message.statement.upper().split()).startswith(PERMIT)


_STOPS: dict[HostMoment, tuple[Callable[[ClientMessage], bool], Moment]] = {
    HostMoment.PERMIT: (is_permit, Moment.ANSWER),
    HostMoment.COPY: (lambda message: message.kind == COPY_DATA, Moment.STATEMENT),
    HostMoment.COMMIT: (lambda message: message.commits_balances, Moment.STATEMENT),
    HostMoment.COMMITTED: (lambda message: message.commits_balances, Moment.ANSWER),
}
_PUBLISHING = {HostMoment.COPY, HostMoment.COMMIT, HostMoment.COMMITTED}


@asynccontextmanager
async def at_moment(fleet: Fleet, name: str, moment: HostMoment) -> AsyncIterator[str]:
    """A host that stands at this moment for the length of the block.

    Then the network goes on: a daemon that was stopped or killed within the block meets what was held there.

    Args:
        fleet: Of the host.
        name: The host's.
        moment: To be reached.

    Yields:
        The office that it is about.
    """
    office = fleet.sample.list_held(name)[0]
    if moment is HostMoment.REST:
        yield office
        return
    if moment is HostMoment.REQUEST:
        await fleet.simulator.plant("latency", office, seconds=SLOW_SECONDS, hits_max=1)
        await fleet.wait_for(_LongOpen(office), f"{name} has a request to {office} under way")
        yield office
        return
    async with anyio.create_task_group() as tasks:
        stop = fleet.hosts[name].proxy.intercept(*_STOPS[moment])
        try:
            if moment in _PUBLISHING:
                tasks.start_soon(fleet.simulator.run_aging, office)
            await stop.wait()
            yield office
        finally:
            stop.release()


@asynccontextmanager
async def losing_a_commit(fleet: Fleet, name: str) -> AsyncIterator[Interception]:
    """The answer to the host's next commit of balances never arrives: the connection is reset instead."""
    stop = fleet.hosts[name].proxy.intercept(*_STOPS[HostMoment.COMMITTED], is_cut=True)
    stop.release()
    yield stop
    await stop.wait()


class _LongOpen:
    """Whether a request has been under way for some samples."""

    def __init__(self, office: str) -> None:
        self._office = office
        self._since: Sample | None = None

    def __call__(self, sample: Sample) -> bool:
        lease = sample.leases["office", self._office]
        first = None if self._since is None else self._since.leases["office", self._office]
        if lease.open_until is None:
            self._since = None
        elif first is None or first.asked_at != lease.asked_at:
            self._since = sample
        return self._since is not None and (sample.at - self._since.at).total_seconds() > 1.0
