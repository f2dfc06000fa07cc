"""The permits of one office's requests.

A permit is a mark in the office's lease, made before a request and taken away after it. A host that takes the office
over waits for it, so no key ever has two requests in flight, wherever the first one's host is stopped, cut off or dies.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import anyio

from oddaemon.core.fleet.lease import PERMIT_SECONDS, REQUEST_SECONDS_MAX, Lease, LeaseLost, find_first_request
from oddaemon.engine.fleet.clock import SharedClock
from oddaemon.engine.fleet.remnants import Remnants
from oddaemon.opendental.rate_limiter import PermitRefused
from oddaemon.store.errors import DatabaseLost, StoreError
from oddaemon.store.fleet import leases
from oddaemon.store.fleet.connection import StatementRunner

START_SECONDS_MAX = 15.0
"""From a permit to the moment at which its request leaves: a connection takes up to 10 s, and the request ends within
60 s of its arrival, so it has ended before the permit has."""
REFUSED_SECONDS_MIN = 0.05
BUSY_SECONDS = 1.0
"""After an attempt that the database could not answer."""


class OfficePermit:
    """As `opendental.rate_limiter.Permit`.

    Args:
        connection: Where permits are asked for.
        number: The member's.
        lease: The office's.
        spacing_seconds: Between two requests with its key.
        clock: The fleet's.
        remnants: What this process has under way.
        is_lost: Whether the member has been found gone.
        lose: Called with the reason when the connection is.
    """

    def __init__(
        self,
        connection: StatementRunner,
        number: int,
        lease: Lease,
        *,
        spacing_seconds: float,
        clock: SharedClock,
        remnants: Remnants,
        is_lost: Callable[[], bool],
        lose: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._number = number
        self._lease = lease
        self._spacing_seconds = spacing_seconds
        self._clock = clock
        self._remnants = remnants
        self._is_lost = is_lost
        self._lose = lose
        self._asked_at = 0.0
        self._sent_at: float | None = None
        """By the boot clock; None: the present request has not left yet."""

    async def open(self) -> None:
        """As `Permit.open`."""
        if self._is_lost():
            raise LeaseLost
        self._asked_at, self._sent_at = self._clock.read_boot_clock(), None
        try:
            given = await leases.give_permit(self._connection, self._number, self._lease, self._spacing_seconds)
            if given and self._age() <= PERMIT_SECONDS:
                self._remnants.under_way.add(self._lease.name)
                return
            if given:
                await leases.end_request(self._connection, self._number, self._lease)
                raise PermitRefused(self._spacing_seconds)
            found = await leases.find(self._connection, self._lease.kind, self._lease.name)
        except DatabaseLost as error:
            self._lose(error.what)
            raise LeaseLost from None
        except StoreError:
            raise PermitRefused(BUSY_SECONDS) from None
        raise PermitRefused(self._find_wait(found))

    def _find_wait(self, found: tuple[Lease, datetime] | None) -> float:
        """Seconds until a request may be permitted."""
        if found is None or (found[0].holder, found[0].generation) != (self._number, self._lease.generation):
            raise LeaseLost
        lease, at = found
        first = find_first_request(lease, self._spacing_seconds)
        return REFUSED_SECONDS_MIN if first is None else max(REFUSED_SECONDS_MIN, (first - at).total_seconds())

    def _age(self) -> float:
        return self._clock.read_boot_clock() - self._asked_at

    def record_sent(self) -> None:
        """As `Permit.record_sent`."""
        if self._is_lost() or self._age() > START_SECONDS_MAX:
            raise LeaseLost
        self._sent_at = self._clock.read_boot_clock()

    async def close(self, retry_after_seconds: float | None, *, is_cut: bool) -> None:
        """As `Permit.close`. A mark that cannot be taken away ends by itself."""
        self._remnants.under_way.discard(self._lease.name)
        if is_cut:
            self._remnants.cut[self._lease.name] = self._asked_at + REQUEST_SECONDS_MAX
        if is_cut or self._is_lost():
            return
        sent_at = self._asked_at if self._sent_at is None else self._sent_at
        age = self._clock.read_boot_clock() - sent_at
        wait = None if not retry_after_seconds else self._clock.now() + timedelta(seconds=retry_after_seconds)
        with anyio.CancelScope(shield=True):
            try:
                await leases.end_request(self._connection, self._number, self._lease, age, wait)
            except DatabaseLost as error:
                self._lose(error.what)
            except StoreError:
                # The mark ends by itself.
                return
