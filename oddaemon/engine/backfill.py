"""Carries out orders to read past days, one of an office after another, beside everything else that the daemon does.

An order shares its office's lane through the gate, and waits while the night's balances are being pulled: those come
first. It is stored, so a restart goes on at its page. What it brings never disturbs the office's snapshots.
"""

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import anyio

from oddaemon.core.backfill import Backfill, Brought, PastDay, Stage, Via, checked_day, failed, went_on
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Balance, Cadence, Condition
from oddaemon.core.office import clock_of
from oddaemon.core.operator_query import dated
from oddaemon.core.report import Progress, pages_of
from oddaemon.engine.fleet import Fleet, OfficeView
from oddaemon.engine.registry import Registry
from oddaemon.engine.report import read_report
from oddaemon.engine.upload import Uploads
from oddaemon.opendental.client import ApiError, OfficeApi, Session
from oddaemon.opendental.gate import Gate, GateClosedError
from oddaemon.receiver import Receiver
from oddaemon.store import backfills, historical
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import BackfillFailed, BackfillOrdered, BackfillPublished

GONE = "The office is not in the configuration any more. Add it again, then order the day again."
LOOK_SECONDS = 1.0
"""Between two looks whether an office that is being pulled, or paused, is ready for an order again."""


@dataclass(slots=True)
class Course:
    """How far an order has come, for whoever watches it."""

    order: Backfill
    requests: int = 0
    rows: int = 0
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all orders share."""

    database: Database
    registry: Registry
    fleet: Fleet
    gate: Gate
    emit: Callable[[Event], None]
    dice: random.Random
    cadence: Callable[[], Cadence]
    receiver: Receiver | None
    """Takes what offices upload; None: nobody does."""


def _set() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


@dataclass(slots=True)
class _Queue:
    """The orders of one office, the one being carried out first."""

    courses: deque[Course] = field(default_factory=deque)
    is_served: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Around whoever serves it."""
    ended: anyio.Event = field(default_factory=_set)
    """Set while nobody serves it."""


class OfficeGoneError(Exception):
    """The office is not watched, or not any more."""


class _SupersededError(Exception):
    """The same day was ordered again: that order goes on, this one does not."""


class _AnewError(Exception):
    """The office's settings changed: go on from the last page with the new ones."""


class Backfiller:
    """The orders of one daemon."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._queues: defaultdict[str, _Queue] = defaultdict(_Queue)
        self._news = anyio.Event()

    async def order(self, day: PastDay) -> Course:
        """Take an order.

        Raises:
            WrongDayError: No balances can be had of that day.
            WrongQueryError: The operator's query cannot be used.
            OfficeGoneError: No such office is watched.
            StoreError: It could not be stored.
        """
        around, view = self._around, self._view(day.office_id)
        now = around.fleet.now()
        checked_day(day.as_of, clock_of(view.state, view.office).local(now).date())
        if day.via is Via.SFTP:
            dated(day.query, day.as_of)
        order = await backfills.order(around.database, day, now)
        around.emit(BackfillOrdered(day.office_id, day.as_of, day.via.value))
        return self._enqueue(order)

    @property
    def can_receive(self) -> bool:
        """Whether offices can upload."""
        return self._around.receiver is not None

    def courses(self) -> Iterator[Course]:
        """Every order that is not over, an office's in their order."""
        for queue in self._queues.values():
            yield from queue.courses

    async def run(self) -> None:
        """Carry out what was ordered before and what will be, until cancelled or the gate closes."""
        for order in await self._remembered():
            self._enqueue(order)
        async with anyio.create_task_group() as tasks:
            while True:
                self._news = anyio.Event()
                for office_id, queue in self._queues.items():
                    if queue.courses and not queue.is_served:
                        queue.is_served, queue.scope, queue.ended = True, anyio.CancelScope(), anyio.Event()
                        tasks.start_soon(self._serve, queue, name=f"backfill {office_id}")
                await self._news.wait()

    def _enqueue(self, order: Backfill) -> Course:
        queue = self._queues[order.day.office_id]
        course = Course(order)
        # The same day ordered again takes the place of the order before, and that one's reading ends at its next page.
        queue.courses = deque(each for each in queue.courses if each.order.day.as_of != order.day.as_of)
        queue.courses.append(course)
        self._news.set()
        return course

    def expected(self, order: Backfill) -> int | None:
        """About how many requests an order takes; None: of an office that was never pulled nobody can tell."""
        view = self._around.fleet.views.get(order.day.office_id)
        if view is None or view.snapshot is None or order.day.via is not Via.REPORT:
            return None
        return pages_of(view.snapshot.guarantors, view.office.page_rows)

    async def _serve(self, queue: _Queue) -> None:
        try:
            with queue.scope:
                while queue.courses:
                    course = queue.courses[0]
                    await self._carry_out(course)
                    if course in queue.courses:
                        queue.courses.remove(course)
        except GateClosedError:
            return
        finally:
            queue.is_served = False
            queue.ended.set()

    async def ended(self) -> None:
        """Wait until nothing is under way, once the gate is closed."""
        for queue in list(self._queues.values()):
            await queue.ended.wait()

    async def give_up(self, office_id: str) -> None:
        """Drop every order of an office that is not watched any more; nothing of them is stored from here on."""
        queue = self._queues.pop(office_id, None)
        if queue is not None:
            queue.courses.clear()
            queue.scope.cancel()
            await queue.ended.wait()

    async def _remembered(self) -> list[Backfill]:
        """The orders of a former process, as soon as the database tells them."""
        while True:
            try:
                return await backfills.orders(self._around.database, Stage.OPEN)
            except StoreError:
                await anyio.sleep(LOOK_SECONDS)

    async def _carry_out(self, course: Course) -> None:
        around = self._around
        while course.order.stage is Stage.OPEN and self._stands(course):
            await self._wait(course)
            course.started_at = course.started_at or around.fleet.now()
            try:
                brought = await self._read(course)
                await historical.publish(around.database, course.order, brought, around.fleet.now())
            except _SupersededError:
                return
            except _AnewError:
                continue
            except OfficeGoneError:
                await self._ended(course, replace(course.order, stage=Stage.FAILED, why=GONE))
            except ApiError as error:
                await self._failed(course, error.failure)
            except StoreError as error:
                await self._failed(course, Failure(Kind.STORE, error.what))
            else:
                self._tell_published(course, brought)
                return

    def _stands(self, course: Course) -> bool:
        return course in self._queues[course.order.day.office_id].courses

    async def _read(self, course: Course) -> Brought:
        around, day = self._around, course.order.day
        view = self._view(day.office_id)
        former = await backfills.kept(around.database, course.order.number)
        course.rows = len(former[1])

        async def keep(page: Sequence[Balance], progress: Progress) -> None:
            await backfills.keep(around.database, course.order.number, page, progress)
            course.rows += len(page)
            course.requests += 1
            course.order = went_on(course.order)
            await self._wait(course)
            if not self._stands(course):
                raise _SupersededError
            if self._api(day.office_id) is not api:
                raise _AnewError

        api = self._api(day.office_id)
        async with api.session() as session:
            if day.via is Via.SFTP:
                reported = await self._uploads(session, view).past_day(day.query, day.as_of)
                return Brought(reported.balances, reported.totals, session.requests)
            reported = await read_report(session, view.office, day.as_of, keep, former)
        return Brought(reported.balances, reported.totals, course.requests)

    def _uploads(self, session: Session, view: OfficeView) -> Uploads:
        receiver, known = self._around.receiver, view.state.preferences
        if receiver is None:
            raise ApiError(Failure(Kind.UPLOAD_MISSING, "nobody receives: `[sftp] listen` is not set"))
        return Uploads(session, receiver, known.program_version if known else "")

    async def _wait(self, course: Course) -> None:
        """Until its back-off is over and the night's pull, or a pause, leaves room for it."""
        around, not_before = self._around, course.order.not_before
        if not_before is not None:
            seconds = max(0.0, (not_before - around.fleet.now()) / timedelta(seconds=1))
            await around.gate.sleep_until(anyio.current_time() + seconds)
        while self._is_busy(course.order.day.office_id):
            await around.gate.sleep_until(anyio.current_time() + LOOK_SECONDS)

    def _is_busy(self, office_id: str) -> bool:
        view = self._around.fleet.views.get(office_id)
        return view is not None and view.state.standing.condition in {Condition.PULLING, Condition.PAUSED}

    async def _failed(self, course: Course, failure: Failure) -> None:
        around = self._around
        now, cadence = around.fleet.now(), around.cadence()
        await self._ended(course, failed(course.order, failure, now, cadence, around.dice.random()))

    async def _ended(self, course: Course, order: Backfill) -> None:
        """An attempt is over, and the order stands so."""
        around, day = self._around, order.day
        course.order = order
        around.emit(
            BackfillFailed(day.office_id, day.as_of, day.via.value, order.why, order.attempts, order.not_before)
        )
        try:
            await backfills.save(around.database, course.order)
        except StoreError:
            # It stands in memory, and after a restart in the database as it stood before.
            return

    def _tell_published(self, course: Course, brought: Brought) -> None:
        around, day = self._around, course.order.day
        took = around.fleet.now() - (course.started_at or course.order.ordered_at)
        around.emit(
            BackfillPublished(
                office=day.office_id,
                as_of=day.as_of,
                via=day.via.value,
                guarantors=brought.totals.guarantors,
                requests=brought.requests,
                seconds=took.total_seconds(),
            )
        )

    def _view(self, office_id: str) -> OfficeView:
        view = self._around.fleet.views.get(office_id)
        if view is None:
            raise OfficeGoneError
        return view

    def _api(self, office_id: str) -> OfficeApi:
        worker = self._around.registry.worker_of(office_id)
        if worker is None:
            raise OfficeGoneError
        return worker.api
