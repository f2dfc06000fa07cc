"""One office: decide, perform, decide again.

All decisions are `core.office.next_action`; this only does what it says and brings back what came of it. The state is
stored before an action and, with a snapshot, in the snapshot's own transaction, so a process that dies anywhere goes on
from there.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import anyio

from oddaemon.core.clock import measured_skew
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Preferences, Reader, Snapshot
from oddaemon.core.office import is_proven, new_state, next_action, stepped
from oddaemon.core.packing import FIRST_PACKING, Packing, plan
from oddaemon.core.state import (
    Action,
    ClockMeasured,
    Failed,
    MeasureClock,
    Observation,
    OfficeState,
    Order,
    Probe,
    Probed,
    Publish,
    PublishedNow,
    Pull,
    Pulled,
    Started,
    Survey,
    Surveyed,
    Wait,
    Wish,
    Woke,
)
from oddaemon.engine.heartbeat import Vitals
from oddaemon.engine.outbox import Outbox
from oddaemon.engine.reading import read_office
from oddaemon.engine.report import identity_of, read_by_report
from oddaemon.engine.reporter import Reporter
from oddaemon.engine.staging import Staging
from oddaemon.engine.upload import Uploads
from oddaemon.opendental.client import ApiError, OfficeApi, Session
from oddaemon.opendental.gate import Gate
from oddaemon.receiver import Receiver
from oddaemon.store import offices, pulls, snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError

SLEEP_SECONDS_MAX = 600.0
"""A sleep is measured by the monotonic clock: after this long it is asked anew what the wall clock says."""
CLOCK_STEP_MIN = timedelta(seconds=60)
"""By so much the wall clock must leave the monotonic one between two turns to have been set."""

_READERS = {Reader.REPORT: read_by_report}
"""All others read in answers, or a file, between controls."""
_PACKED = frozenset({Reader.AUTO, Reader.STATEMENT, Reader.PAGES})
"""Readers whose balances tell how a statement would best be packed."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workers share."""

    database: Database
    gate: Gate
    now: Callable[[], datetime]
    randomness: random.Random
    vitals: Vitals
    outbox: Outbox
    receiver: Receiver | None = None
    """Takes what offices upload; None: nobody does."""


class Worker:
    """The loop of one office."""

    def __init__(self, wish: Wish, api: OfficeApi, reporter: Reporter, surroundings: Surroundings) -> None:
        self.orders = deque[Order]()
        """Not obeyed yet."""
        self.is_waiting = False
        """Whether an order is obeyed at once."""
        self._wish = wish
        self.api = api
        self._reporter = reporter
        self._around = surroundings
        self._saved: OfficeState | None = None
        self._nap = anyio.CancelScope()
        self._epoch: datetime | None = None
        """When the monotonic clock said zero, by the wall clock of the last turn."""
        self._pull_started = surroundings.now()

    @property
    def _id(self) -> str:
        return self._wish.office.id

    @property
    def is_proven(self) -> bool:
        """Whether a key of the office ever opened its database."""
        return is_proven(self._reporter.view.state)

    def tell(self, order: Order) -> None:
        """Have the office obey when it waits next, which is at once if it does so now; orders are obeyed in turn."""
        self.orders.append(order)
        self._nap.cancel()

    async def run(self) -> None:
        """Watch the office until cancelled.

        Raises:
            GateClosedError: The daemon is stopping; everything is stored.
        """
        around = self._around
        state = await self._recalled()
        observation: Observation = Started()
        while True:
            around.vitals.moved(self._id)
            now = around.now()
            before = self._in_time(state, now)
            state, action = next_action(before, observation, now, self._wish, around.randomness.random())
            if isinstance(action, Publish):
                state, observation = await self._publish(before, state, action)
            else:
                self._reporter.turned(before, state, observation, now)
                await self._remember(state)
                if self.orders and observation is self.orders[0]:
                    # Only now: whoever gave it was told that it counts, whatever ends this worker meanwhile.
                    self.orders.popleft()
                if isinstance(observation, Pulled):
                    await self._forget_pull()
                observation = await self._perform(action)

    async def _recalled(self) -> OfficeState:
        """What was remembered; where that cannot be read, what the fleet shows."""
        try:
            self._saved = await offices.load_state(self._around.database, self._id)
        except StoreError as error:
            self._reporter.failed(Failure(Kind.STORE, error.what), 1, None)
            return self._reporter.view.state
        return self._saved or new_state(self._around.now())

    def _in_time(self, state: OfficeState, now: datetime) -> OfficeState:
        """The state, its waits corrected if the wall clock was set since the last turn."""
        epoch = now - timedelta(seconds=anyio.current_time())
        step, self._epoch = epoch - (self._epoch or epoch), epoch
        return stepped(state, step) if abs(step) >= CLOCK_STEP_MIN else state

    async def _perform(self, action: Action) -> Observation:
        if isinstance(action, Wait):
            return await self._wait(action.until)
        try:
            async with self.api.session() as session:
                return await self._ask(session, action)
        except ApiError as error:
            return Failed(error.failure)
        except StoreError as error:
            return Failed(Failure(Kind.STORE, error.what))

    async def _ask(self, session: Session, action: Action) -> Observation:
        match action:
            case Survey():
                return Surveyed(await _all_preferences(session, self._around.now))
            case Probe():
                begin = await session.preference("AgingBeginDateTime")
                return Probed(await session.preference("DateLastAging"), begin)
            case MeasureClock() if self._wish.office.reader is Reader.REPORT:
                return ClockMeasured(0.0, await identity_of(session))
            case MeasureClock():
                clocks = await session.clocks()
                return ClockMeasured(self._skew_seconds(clocks.office_now, clocks.utc_now), clocks.identity)
            case Pull():
                return await self._pull(session, action)
            case Wait() | Publish():
                raise AssertionError("not a question to the office")

    async def _wait(self, until: datetime) -> Woke | Order:
        """Sleep until then, or until something is to be told: a deadline that passes, or an order."""
        now = self._around.now()
        late_at = self._reporter.view.state.standing.late_at
        if late_at is not None and now < late_at < until:
            until = late_at
        seconds = min(max(0.0, (until - now) / timedelta(seconds=1)), SLEEP_SECONDS_MAX)
        self.is_waiting = True
        with anyio.CancelScope() as self._nap:
            if not self.orders:
                deadline = anyio.current_time() + seconds
                self._around.vitals.sleeps(self._id, deadline)
                await self._around.gate.sleep_until(deadline)
        self.is_waiting = False
        return self.orders[0] if self.orders else Woke()

    async def _pull(self, session: Session, action: Pull) -> Pulled:
        around = self._around
        staging = Staging(around.database, self._id, self._wish.scope, self._reporter.page_stored)
        self._pull_started = around.now()
        resumed = await staging.load()
        self._reporter.pull_started(action.reader, len(resumed.balances) if resumed else 0)
        read = partial(_READERS.get(action.reader, read_office), session, self._wish.office, action)
        if action.reader is Reader.SFTP:
            read = partial(read, upload=self._uploads(session).whole_office)
        proved = await read(staging=staging, resumed=resumed, now=around.now)
        snapshot = Snapshot(
            aging_date=action.aging_date,
            observed_at=proved.observed_at,
            reader=action.reader,
            requests=session.requests,
            totals=proved.control.totals,
            balances=proved.balances,
        )
        packing: Packing | None = action.packing
        if action.reader in _PACKED and (action.packing == FIRST_PACKING or proved.parts > 1):
            packing = plan(proved.balances)
        skew_seconds = self._skew_seconds(proved.control.office_now, proved.control.utc_now)
        return Pulled(snapshot, proved.control, packing, skew_seconds)

    def _uploads(self, session: Session) -> Uploads:
        receiver, known = self._around.receiver, self._saved and self._saved.preferences
        if receiver is None:
            raise ApiError(Failure(Kind.UPLOAD_MISSING, "nobody receives: `[sftp] listen` is not set"))
        return Uploads(session, self._around.gate, receiver, known.program_version if known else "")

    async def _publish(
        self, before: OfficeState, after: OfficeState, action: Publish
    ) -> tuple[OfficeState, Observation]:
        now = self._around.now()
        try:
            course = snapshots.Course(now - self._pull_started, before.standing.late_at)
            sinks = self._around.outbox.sinks_of(self._id)
            published = await snapshots.publish(
                self._around.database, self._id, action.snapshot, after, now, course=course, sinks=sinks
            )
        except StoreError as error:
            return before, Failed(Failure(Kind.STORE, error.what))
        self._saved = after
        self._around.outbox.queued(sinks)
        self._reporter.turned(before, after, PublishedNow(), now)
        late_at = before.standing.late_at
        late_by = now - late_at if late_at is not None and now > late_at else None
        self._reporter.published(action.snapshot, published, took=now - self._pull_started, late_by=late_by, now=now)
        return after, PublishedNow()

    async def _forget_pull(self) -> None:
        """A second reading must not lean on the first."""
        try:
            await pulls.discard(self._around.database, self._id)
        except StoreError as error:
            self._reporter.failed(Failure(Kind.STORE, error.what), 1, None)

    async def _remember(self, state: OfficeState) -> None:
        """Store the state. An office whose state cannot be stored is watched on all the same."""
        if state == self._saved:
            return
        try:
            await offices.save_state(self._around.database, self._id, state)
        except StoreError as error:
            self._reporter.failed(Failure(Kind.STORE, error.what), 1, None)
        else:
            self._saved = state

    def _skew_seconds(self, office_now: datetime, utc_now: datetime) -> float:
        skew = measured_skew(self._wish.office.zone, office_now, utc_now, self._around.now())
        return skew.total_seconds()


async def _all_preferences(session: Session, now: Callable[[], datetime]) -> Preferences:
    """The lock before the date: a run that ends between the two is then seen as running, never as broken off."""
    begin = await session.preference("AgingBeginDateTime")
    found = Preferences(
        date_last_aging=await session.preference("DateLastAging"),
        aging_service_time_due=await session.preference("AgingServiceTimeDue"),
        aging_begin=begin,
        monthly=await session.preference("AgingCalculatedMonthlyInsteadOfDaily"),
        program_version=await session.preference("ProgramVersion"),
        practice_title=await session.preference("PracticeTitle"),
        read_at=now(),
    )
    # A preference that is not found is not set; an office in which nothing is found is no office.
    if not (found.program_version or found.date_last_aging or found.aging_service_time_due):
        raise ApiError(Failure(Kind.NOT_FOUND, "not even the preference ProgramVersion is there"))
    return found
