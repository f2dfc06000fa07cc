"""Orders for past days as people give and watch them: whether one can be taken, and how each stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from oddaemon.core.backfill import Backfill, PastDay, Stage, Via, WrongDayError
from oddaemon.core.operator_query import WrongQueryError
from oddaemon.core.status import instant
from oddaemon.engine.backfill import Backfiller, Course, OfficeGoneError
from oddaemon.engine.orders import CONFLICT, NOT_FOUND, Desk
from oddaemon.engine.registry import Registry
from oddaemon.store import backfills
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.web.control import OrderRefused


@dataclass(frozen=True, slots=True)
class PastDaysDesk:
    """Takes the orders of one daemon."""

    desk: Desk
    backfiller: Backfiller
    registry: Registry
    database: Database

    async def order(self, day: PastDay, uid: int | None) -> Mapping[str, Any]:
        """Take an order; tells what it comes to.

        Raises:
            OrderRefused: It cannot be carried out, or not now.
        """
        with self.desk.recorded("backfill", day.office_id, uid) as told:
            if day.via is Via.SFTP and not self.backfiller.can_receive:
                advice = "Set `[sftp] listen` and `public_host`, then restart the daemon."
                raise OrderRefused(CONFLICT, "Nobody receives what an office uploads.", advice)
            try:
                course = await self.backfiller.order(day)
            except WrongDayError as error:
                raise OrderRefused(CONFLICT, str(error), "Name an earlier day.") from None
            except WrongQueryError as error:
                raise OrderRefused(CONFLICT, str(error), "See `oddaemon backfill --help`.") from None
            except OfficeGoneError:
                raise OrderRefused(
                    NOT_FOUND, f"No office {day.office_id!r} is at work.", "`oddaemon status` lists them all."
                ) from None
            except StoreError as error:
                raise OrderRefused(CONFLICT, error.what, error.advice) from None
            return {**self._document(course.order, course), "outcome": told(self._sentence(course))}

    async def orders(self) -> Mapping[str, Any]:
        """How every order stands, those that are over included."""
        running = {course.order.number: course for course in self.backfiller.courses()}
        known = await backfills.orders(self.database)
        documents = [self._document(order, running.get(order.number)) for order in known]
        return {"backfills": documents, "outcome": summary([order for order in known if order.stage is Stage.OPEN])}

    def _sentence(self, course: Course) -> str:
        day, worker = course.order.day, self.registry.worker_of(course.order.day.office_id)
        expected = self.backfiller.expected(course.order)
        if expected is None or worker is None:
            return f"{day.office_id} is read as of {day.as_of}; how long it takes shows while it is read."
        seconds = expected * max(worker.api.min_interval_seconds, 1.0)
        return (
            f"{day.office_id} is read as of {day.as_of}: about {expected:,} requests, "
            f"{timedelta(seconds=round(seconds))} at its key's pace; the night's pull comes first."
        )

    def _document(self, order: Backfill, course: Course | None) -> dict[str, Any]:
        day = order.day
        standing = course.order if course is not None else order
        return {
            "office": day.office_id,
            "as_of": day.as_of.isoformat(),
            "via": Via(day.via).value,
            "stage": standing.stage.value,
            "ordered_at": instant(order.ordered_at),
            "not_before": _instant(standing.not_before),
            "attempts": standing.attempts,
            "why": standing.why,
            "rows": 0 if course is None else course.rows,
            "requests": 0 if course is None else course.requests,
            "requests_expected": self.backfiller.expected(order),
        }


def summary(waiting: Sequence[Backfill]) -> str:
    """The orders that are not over, in a sentence."""
    if not waiting:
        return "No order for a past day is open."
    return f"{len(waiting)} order{'' if len(waiting) == 1 else 's'} for past days open."


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
