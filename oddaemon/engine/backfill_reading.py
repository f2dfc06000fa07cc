"""Reads what an order for a past day wants, by the way that it names, and makes room for the night on its way."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from oddaemon.core.backfill import Brought, Step, Via, went_on
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Balance, Cadence, Condition
from oddaemon.core.report import Progress
from oddaemon.engine.backfill_queue import Course
from oddaemon.engine.fleet import Fleet, OfficeView
from oddaemon.engine.registry import Registry
from oddaemon.engine.report import read_report
from oddaemon.engine.upload import Uploads
from oddaemon.opendental.client import ApiError, OfficeApi, Session
from oddaemon.opendental.gate import Gate
from oddaemon.receiver import Receiver
from oddaemon.store import backfills
from oddaemon.store.database import Database
from oddaemon.telemetry.event import Event

LOOK_SECONDS = 1.0
"""Between two looks whether an order may go: its office is pulled, or left alone, or all of its orders back off."""


class OfficeGoneError(Exception):
    """The office is not watched, or not any more."""


class OverError(Exception):
    """The order was cancelled, or another one for the same day was given."""


class AnewError(Exception):
    """The office's settings changed: go on with the new ones, from the last page if they want the same guarantors."""


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

    def view(self, office_id: str) -> OfficeView:
        """How an office stands.

        Raises:
            OfficeGoneError: It is not watched.
        """
        view = self.fleet.views.get(office_id)
        if view is None:
            raise OfficeGoneError
        return view

    def api(self, office_id: str) -> OfficeApi:
        """The way to an office.

        Raises:
            OfficeGoneError: It is not watched.
        """
        worker = self.registry.worker_of(office_id)
        if worker is None:
            raise OfficeGoneError
        return worker.api

    def is_busy(self, office_id: str) -> bool:
        """Whether the night comes first, the office is to be left alone, or nobody is at work at it just now.

        Its worker is gone for a moment where its settings change, for longer where it crashed, and for good where the
        daemon is stopping: none of that is the end of an order.
        """
        view = self.fleet.views.get(office_id)
        if view is None:
            return False
        is_watched = self.registry.worker_of(office_id) is not None
        return not is_watched or view.state.standing.condition in {Condition.PULLING, Condition.PAUSED}


class Reading:
    """Reads for one daemon.

    Args:
        around: What all orders share.
        is_wanted: Whether an order still stands.
    """

    def __init__(self, around: Surroundings, is_wanted: Callable[[Course], bool]) -> None:
        self._around = around
        self._is_wanted = is_wanted

    async def read(self, course: Course) -> Brought:
        """What an order wants, proved.

        Raises:
            ApiError: It did not come, or is not proved.
            StoreError: What came could not be kept.
            OfficeGoneError: No such office is watched any more.
            OverError: Nobody wants it any more.
            AnewError: It is to go on with the office's new settings.
            GateClosedError: The daemon is stopping; what was kept stays.
        """
        day = course.order.day
        view, api = self._around.view(day.office_id), self._around.api(day.office_id)
        async with api.session() as session:
            if day.via is Via.SFTP:
                return await self._uploaded(course, session, view)
            return await self._reported(course, session, view, api)

    async def _reported(self, course: Course, session: Session, view: OfficeView, api: OfficeApi) -> Brought:
        database, day, number = self._around.database, course.order.day, course.order.number
        scope = view.office.scope
        former = await backfills.kept(database, number, scope)
        course.requests, course.rows = former.requests, len(former.balances)

        async def keep(page: Sequence[Balance], progress: Progress) -> None:
            await backfills.keep(database, number, page, progress, scope)
            course.rows += len(page)
            course.requests += 1
            self._require_wanted(course)
            course.order = went_on(course.order)
            while self._around.is_busy(day.office_id):
                await self._around.gate.sleep_until(anyio.current_time() + LOOK_SECONDS)
                self._require_wanted(course)
            if self._around.api(day.office_id) is not api:
                raise AnewError

        reported = await read_report(session, view.office, day.as_of, keep, former[:2])
        return Brought(reported.balances, reported.totals, course.requests)

    async def _uploaded(self, course: Course, session: Session, view: OfficeView) -> Brought:
        day = course.order.day

        def told(step: Step) -> None:
            self._require_wanted(course)
            course.turn_to(step, self._around.fleet.now())

        try:
            with anyio.CancelScope() as course.waiting:
                reported = await self._uploads(session, view, told).past_day(day.query, day.as_of)
                return Brought(reported.balances, reported.totals, session.requests)
            raise OverError
        finally:
            course.waiting = course.step = None

    def _require_wanted(self, course: Course) -> None:
        if not self._is_wanted(course):
            raise OverError

    def _uploads(self, session: Session, view: OfficeView, told: Callable[[Step], None]) -> Uploads:
        receiver, known = self._around.receiver, view.state.preferences
        if receiver is None:
            raise ApiError(Failure(Kind.UPLOAD_MISSING, "nobody receives: `[sftp] listen` is not set"))
        return Uploads(session, self._around.gate, receiver, known.program_version if known else "", told)
