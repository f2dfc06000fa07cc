"""Carries out orders to read past days, one of an office at a time, beside everything else that the daemon does.

An order shares its office's lane through the gate, and waits while the night's balances are being pulled: those come
first. One that backs off lets the others go. It is stored, so a restart goes on at its page. What it brings never
disturbs the office's snapshots.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import NamedTuple

import anyio

from oddaemon.core.backfill import Backfill, Brought, PastDay, Stage, Via, checked_day, failed
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.office import clock_of
from oddaemon.core.operator_query import dated
from oddaemon.core.report import pages_of
from oddaemon.engine.backfill_queue import Course, Queue
from oddaemon.engine.backfill_reading import LOOK_SECONDS, AnewError, OfficeGoneError, OverError, Reading, Surroundings
from oddaemon.engine.fleet import OfficeView
from oddaemon.engine.guard import crash_of
from oddaemon.opendental.client import ApiError
from oddaemon.opendental.gate import GateClosedError
from oddaemon.receiver import Receiver
from oddaemon.store import backfills, historical
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.crash import describe
from oddaemon.telemetry.events import (
    BackfillCancelled,
    BackfillCrashed,
    BackfillFailed,
    BackfillOrdered,
    BackfillPublished,
)

CRASHED = "An error in oddaemon itself ended it. Report it with the event `backfill_crashed` of the log."
GONE = "The office is not in the configuration any more. Add it again, then order the day again."


class Taken(NamedTuple):
    """An order that was given."""

    course: Course
    is_new: bool
    """False: the same was ordered before, and goes on."""


class Backfiller:
    """The orders of one daemon."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._reading = Reading(around, self._is_wanted)
        self._queues: defaultdict[str, Queue] = defaultdict(Queue)
        self._news = anyio.Event()

    async def order(self, days: Sequence[PastDay]) -> list[Taken]:
        """Take orders: all of them, or none where one cannot be carried out.

        Raises:
            WrongDayError: No balances can be had of that day.
            WrongQueryError: The operator's query cannot be used.
            OfficeGoneError: No such office is watched.
            StoreError: It could not be stored.
        """
        around = self._around
        for day in days:
            view = around.view(day.office_id)
            checked_day(day.as_of, clock_of(view.state, view.office).local(around.fleet.now()).date())
            if day.via is Via.SFTP:
                dated(day.query, day.as_of)
        return [await self._taken(day) for day in days]

    async def cancel(self, office_id: str, days: Collection[date]) -> list[Backfill]:
        """End the open orders of an office, or those for these days; tells which those were.

        Raises:
            StoreError: It could not be stored.
        """
        cancelled = await backfills.cancel(self._around.database, office_id, days)
        for order in cancelled:
            if (course := self._queues[office_id].of(order.number)) is not None:
                course.order = order
                self._queues[office_id].drop(course)
            self._around.emit(BackfillCancelled(office_id, order.day.as_of, order.day.via.value))
        return cancelled

    @property
    def receiver(self) -> Receiver | None:
        """What takes uploads; None: nothing does."""
        return self._around.receiver

    def courses(self) -> Iterator[Course]:
        """Every order that is not over, an office's in their order."""
        for queue in self._queues.values():
            yield from queue.courses

    async def run(self) -> None:
        """Carry out what was ordered before and what will be, until cancelled or the gate closes."""
        for course in await self._remembered():
            self._enqueue(course)
        async with anyio.create_task_group() as tasks:
            while True:
                self._news = anyio.Event()
                for office_id, queue in self._queues.items():
                    if queue.courses and not queue.is_served:
                        queue.is_served, queue.scope, queue.ended = True, anyio.CancelScope(), anyio.Event()
                        tasks.start_soon(self._serve, queue, office_id, name=f"backfill {office_id}")
                await self._news.wait()

    async def _taken(self, day: PastDay) -> Taken:
        around = self._around
        now = around.fleet.now()
        order = await backfills.order(around.database, day, now)
        if (course := self._queues[day.office_id].of(order.number)) is not None:
            return Taken(course, is_new=False)
        around.emit(BackfillOrdered(day.office_id, day.as_of, day.via.value))
        course = Course(order)
        self._enqueue(course)
        return Taken(course, is_new=True)

    def _enqueue(self, course: Course) -> None:
        self._queues[course.order.day.office_id].add(course)
        self._news.set()

    def under_way(self, office_id: str) -> Course | None:
        """The order of an office that is being carried out."""
        queue = self._queues.get(office_id)
        return None if queue is None else queue.under_way

    def view_of(self, office_id: str) -> OfficeView | None:
        """How an office stands."""
        return self._around.fleet.views.get(office_id)

    def expected(self, order: Backfill) -> int | None:
        """About how many requests an order takes; None: of an office that was never pulled nobody can tell."""
        view = self._around.fleet.views.get(order.day.office_id)
        if view is None or view.snapshot is None or order.day.via is not Via.REPORT:
            return None
        return pages_of(view.snapshot.guarantors, view.office.page_rows)

    async def _serve(self, queue: Queue, office_id: str) -> None:
        around = self._around
        try:
            with queue.scope:
                while queue.courses:
                    course = None if around.is_busy(office_id) else queue.next(around.fleet.now())
                    if course is None:
                        await around.gate.sleep_until(anyio.current_time() + LOOK_SECONDS)
                        continue
                    queue.under_way = course
                    await self._guarded(course)
                    queue.under_way = None
                    if course.order.stage is not Stage.OPEN:
                        queue.drop(course)
        except GateClosedError:
            return
        finally:
            queue.is_served, queue.under_way = False, None
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

    async def _remembered(self) -> list[Course]:
        """The orders of a former process, as soon as the database tells them."""
        database = self._around.database
        while True:
            try:
                reached = await backfills.reached(database)
                return [
                    Course(order, *reached.get(order.number, backfills.Reached()))
                    for order in await backfills.orders(database, Stage.OPEN)
                ]
            except StoreError:
                await anyio.sleep(LOOK_SECONDS)

    async def _guarded(self, course: Course) -> None:
        """Whatever one order meets, the daemon and the other orders do not notice."""
        error = await crash_of(partial(self._attempt, course), GateClosedError)
        if error is not None:
            day = course.order.day
            self._around.emit(
                BackfillCrashed(day.office_id, day.as_of, day.via.value, type(error).__name__, describe(error))
            )
            await self._ended(course, replace(course.order, stage=Stage.FAILED, not_before=None, why=CRASHED))

    async def _attempt(self, course: Course) -> None:
        around = self._around
        course.started_at = course.started_at or around.fleet.now()
        try:
            brought = await self._reading.read(course)
            if await historical.publish(around.database, course.order, brought, around.fleet.now()):
                self._finished(course, brought)
            else:
                self._queues[course.order.day.office_id].drop(course)
        except (OverError, AnewError):
            return
        except OfficeGoneError:
            await self._ended(course, replace(course.order, stage=Stage.FAILED, why=GONE))
        except ApiError as error:
            await self._failed(course, error.failure)
        except StoreError as error:
            await self._failed(course, Failure(Kind.STORE, error.what))

    def _is_wanted(self, course: Course) -> bool:
        return course in self._queues[course.order.day.office_id].courses

    async def _failed(self, course: Course, failure: Failure) -> None:
        around = self._around
        now, cadence = around.fleet.now(), around.cadence()
        await self._ended(course, failed(course.order, failure, now, cadence, around.dice.random()))

    async def _ended(self, course: Course, order: Backfill) -> None:
        """An attempt is over, and the order stands so."""
        around, day = self._around, order.day
        if not self._is_wanted(course):
            return
        course.order, course.step = order, None
        around.emit(
            BackfillFailed(day.office_id, day.as_of, day.via.value, order.why, order.attempts, order.not_before)
        )
        try:
            await backfills.save(around.database, course.order)
        except StoreError:
            # It stands in memory, and after a restart in the database as it stood before.
            return

    def _finished(self, course: Course, brought: Brought) -> None:
        around, day = self._around, course.order.day
        course.order = replace(course.order, stage=Stage.DONE, why="")
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
