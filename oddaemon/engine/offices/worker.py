"""The loop of one office: decide, perform, decide again.

`next_action` makes every decision; the worker performs the action and returns the observation. The state is stored
before each action and, for a snapshot, in the snapshot's own transaction, so a killed process continues from there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import anyio

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Preferences, Reader, Snapshot
from oddaemon.core.office.clock import compute_skew
from oddaemon.core.office.evidence import has_authenticated
from oddaemon.core.office.machine import make_initial_state, next_action
from oddaemon.core.office.state import (
    Action,
    ClockMeasured,
    Failed,
    MeasureClock,
    Observation,
    OfficeCommand,
    OfficeState,
    Probe,
    Probed,
    Publish,
    PublishSucceeded,
    Pull,
    Pulled,
    Started,
    Survey,
    Surveyed,
    TimerFired,
    TurnCame,
    Wait,
)
from oddaemon.core.office.transition import adjust_for_clock_step
from oddaemon.core.stall_detection import WorkerActivity
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.engine.offices.transition_events import OfficeEventEmitter
from oddaemon.engine.pull.checkpoint import PullStaging
from oddaemon.engine.pull.reader import read_office
from oddaemon.engine.pull.report_reader import read_by_report
from oddaemon.engine.pull.upload_reader import create_upload_reader
from oddaemon.opendental.client import ApiError, OfficeApi, Session
from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import PullStarted

SLEEP_SECONDS_MAX = 600.0
"""A sleep is measured by the monotonic clock; after this long the wall clock is read again."""
CLOCK_STEP_MIN = timedelta(seconds=60)
"""A larger difference between wall clock and monotonic clock from turn to turn means that the wall clock was set."""


class ReadState(NamedTuple):
    """What was read of an office."""

    state: OfficeState | None
    """None: nothing is stored."""


class Worker:
    """The loop of one office.

    Args:
        api: Sends its requests.
        emitter: Emits its events, and has its configuration, its present state and its commands.
        context: What all workers share.
        couriers: Deliver its snapshots.
        just_read: What is stored of it, if that was read just now; None: the worker reads it.
    """

    def __init__(
        self,
        api: OfficeApi,
        emitter: OfficeEventEmitter,
        context: EngineContext,
        couriers: CourierPool,
        just_read: ReadState | None = None,
    ) -> None:
        self._just_read = just_read
        self.is_waiting = False
        """Whether a command is executed at once."""
        self.activity = WorkerActivity(emitter.runtime.spec.id, anyio.current_time())
        """What it does now, so that the watchdog finds a worker that hangs."""
        self._spec = emitter.runtime.spec
        self._commands = emitter.runtime.commands
        self.api = api
        self._emitter = emitter
        self._context = context
        self._couriers = couriers
        self._now = context.now
        self._saved: OfficeState | None = None
        self._sleep_scope = anyio.CancelScope()
        self._epoch: datetime | None = None
        """The wall clock's time at zero of the monotonic clock, as of the last turn."""
        self._pull_started_at = self._now()
        self._snapshot: Snapshot | None = None
        """What the last action pulled, until it is published or discarded."""

    @property
    def _id(self) -> str:
        return self._spec.id

    @property
    def has_authenticated(self) -> bool:
        """Whether the API ever accepted a key of the office."""
        return has_authenticated(self._emitter.runtime.state)

    def submit(self, command: OfficeCommand) -> None:
        """Queue a command. The worker executes commands in order whenever it waits: at once, if it waits now."""
        self._commands.append(command)
        self._sleep_scope.cancel()

    async def run(self) -> None:
        """Monitor the office until cancelled.

        Raises:
            ShuttingDown: The daemon is stopping; everything is stored.
        """
        context = self._context
        state = await self._load_state()
        observation: Observation = Started()
        while True:
            self.activity = WorkerActivity(self._id, anyio.current_time())
            now = self._now()
            previous = self._correct_clock_step(state, now)
            state, action = next_action(previous, observation, now, self._spec, context.rng.random())
            if isinstance(action, Publish):
                state, observation = await self._publish(previous, state)
            else:
                is_shared = isinstance(observation, Failed) and self.api.is_down_for_all(observation.failure)
                self._emitter.emit_transition(previous, state, observation, now, is_shared=is_shared)
                await self._save_state(state)
                if self._commands and observation is self._commands[0]:
                    # Only now: the command was acknowledged and must survive the end of this worker.
                    self._commands.pop(0)
                if isinstance(observation, Pulled):
                    # Implausible. A second reading must be independent of the first.
                    self._snapshot = None
                    with self._report_store_errors():
                        await open_pulls.discard(context.database, self._id)
                observation = await self._perform(action)

    async def _load_state(self) -> OfficeState:
        """The stored state, or the fleet's if the database cannot be read."""
        state: OfficeState | None = self._emitter.runtime.state
        if self._just_read is not None:
            # A query for each of ten thousand offices takes a second of their start.
            state = self._saved = self._just_read.state
            self._just_read = None
            return state or make_initial_state(self._now())
        with self._report_store_errors():
            state = self._saved = await offices.load_state(self._context.database, self._id)
        return state or make_initial_state(self._now())

    @contextmanager
    def _report_store_errors(self) -> Iterator[None]:
        """Report a failure of the database; monitoring continues without it."""
        try:
            yield
        except StoreError as error:
            self._emitter.emit_failure(Failure(FailureKind.STORE, error.what), 1, None)

    def _correct_clock_step(self, state: OfficeState, now: datetime) -> OfficeState:
        """The state, with its waits adjusted if the wall clock was set since the last turn."""
        epoch = now - timedelta(seconds=anyio.current_time())
        step, self._epoch = epoch - (self._epoch or epoch), epoch
        return adjust_for_clock_step(state, step) if abs(step) >= CLOCK_STEP_MIN else state

    async def _perform(self, action: Action) -> Observation:
        if isinstance(action, Wait):
            return await self._wait(action.until)
        try:
            async with self.api.session() as session:
                observation = await self._request(session, action)
        except ApiError as error:
            self._emitter.runtime.error_text = error.error_text
            return Failed(error.failure)
        except StoreError as error:
            return Failed(Failure(FailureKind.STORE, error.what))
        self._emitter.runtime.error_text = ""
        return observation

    async def _request(self, session: Session, action: Action) -> Observation:
        match action:
            case Survey():
                return Surveyed(await _read_preferences(session, self._now))
            case Probe():
                return Probed(await session.read_aging_mark())
            case MeasureClock() if self._spec.reader is Reader.REPORT:
                return ClockMeasured(0.0, await session.read_identity())
            case MeasureClock():
                clocks = await session.read_clocks()
                skew = compute_skew(self._spec.zone, clocks.office_now, clocks.utc_now, self._now())
                return ClockMeasured(skew.total_seconds(), clocks.identity, clocks.mark)
            case Pull():
                return await self._pull(session, action)
            case Wait() | Publish():
                raise AssertionError("not a request to the office")

    async def _wait(self, until: datetime) -> TimerFired | TurnCame | OfficeCommand:
        """Sleep until then, or until a command arrives, the deadline passes, or the API is to be asked again."""
        now = self._now()
        state = self._emitter.runtime.state
        late_at = state.standing.late_at
        if late_at is not None and now < late_at < until:
            until = late_at
        seconds = min(max(0.0, (until - now) / timedelta(seconds=1)), SLEEP_SECONDS_MAX)
        has_turn = False
        self.is_waiting = True
        with anyio.CancelScope() as self._sleep_scope:
            if not self._commands:
                now_seconds = anyio.current_time()
                self.activity = WorkerActivity(self._id, now_seconds, asleep_until=now_seconds + seconds)
                has_turn = await self._sleep(seconds, awaits_api=state.awaits_api)
        self.is_waiting = False
        if self._commands:
            return self._commands[0]
        return TurnCame() if has_turn else TimerFired()

    async def _sleep(self, seconds: float, *, awaits_api: bool) -> bool:
        """Sleep for so long. Returns whether it was cut short because it is the office's turn to ask the API."""
        if not awaits_api:
            await self._context.rate_limiter.sleep(seconds)
            return False
        with anyio.move_on_after(seconds), self._context.rate_limiter.wait_unless_closed():
            await self.api.wait_for_turn()
            return True
        return False

    async def _pull(self, session: Session, action: Pull) -> Pulled:
        context = self._context
        staging = PullStaging(context.database, self._id, self._spec.scope, self._emitter.emit)
        self._pull_started_at = self._now()
        resumed = await staging.load()
        self._emitter.emit(PullStarted(self._id, action.reader, len(resumed.balances) if resumed else 0))
        read = partial(read_by_report if action.reader is Reader.REPORT else read_office, session, self._spec, action)
        if action.reader is Reader.SFTP:
            preferences = self._saved.preferences if self._saved else None
            upload = create_upload_reader(session, context.rate_limiter, context.receiver, preferences)
            read = partial(read, upload=upload.read_query)
        pulled, self._snapshot = await read(staging=staging, resumed=resumed, now=self._now)
        return pulled

    async def _publish(self, previous: OfficeState, current: OfficeState) -> tuple[OfficeState, Observation]:
        now = self._now()
        snapshot, self._snapshot = self._snapshot, None
        assert snapshot is not None, "it was pulled by the last action"
        try:
            sinks = self._couriers.get_sinks(self._id)
            published = await snapshots.publish(
                self._context.database,
                self._id,
                snapshot,
                current,
                now,
                pull_seconds=(now - self._pull_started_at).total_seconds(),
                late_at=previous.standing.late_at,
                sinks=sinks,
            )
        except StoreError as error:
            return previous, Failed(Failure(FailureKind.STORE, error.what))
        self._saved = current
        self._couriers.notify(sinks)
        self._emitter.emit_transition(previous, current, PublishSucceeded(), now)
        self._emitter.emit_published(published)
        return current, PublishSucceeded()

    async def _save_state(self, state: OfficeState) -> None:
        """Store the state if it has changed."""
        if state != self._saved:
            with self._report_store_errors():
                await offices.save_state(self._context.database, self._id, state)
                self._saved = state


async def _read_preferences(session: Session, now: Callable[[], datetime]) -> Preferences:
    """Read the lock before the date: a run that ends between the two then looks running, never aborted."""
    begin = await session.get_preference("AgingBeginDateTime")
    found = Preferences(
        date_last_aging=await session.get_preference("DateLastAging"),
        aging_service_time_due=await session.get_preference("AgingServiceTimeDue"),
        aging_begin=begin,
        monthly=await session.get_preference("AgingCalculatedMonthlyInsteadOfDaily"),
        program_version=await session.get_preference("ProgramVersion"),
        practice_title=await session.get_preference("PracticeTitle"),
        read_at=now(),
    )
    # A missing preference counts as not set; if all are missing, this is not an Open Dental database.
    if not (found.program_version or found.date_last_aging or found.aging_service_time_due):
        raise ApiError(Failure(FailureKind.NOT_FOUND, "not even the preference ProgramVersion exists"))
    return found
