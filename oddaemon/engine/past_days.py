"""Orders for past days as people give and watch them: whether one can be taken, and how each stands."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from oddaemon.core.backfill import Backfill, PastDay, Stage, Via, WrongDayError
from oddaemon.core.model import Condition
from oddaemon.core.operator_query import WrongQueryError
from oddaemon.core.status import instant
from oddaemon.engine.backfill import Backfiller, Taken
from oddaemon.engine.backfill_queue import Course
from oddaemon.engine.backfill_reading import OfficeGoneError
from oddaemon.engine.fleet import OfficeView
from oddaemon.engine.orders import CONFLICT, NOT_FOUND, Desk
from oddaemon.engine.registry import Registry
from oddaemon.receiver import Receiver
from oddaemon.store import backfills, historical
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.historical import Outcome
from oddaemon.web.control import OrderRefused

OWES_NOTHING = "Nobody owed anything that day: is the date right? The office may not have used Open Dental yet."


@dataclass(frozen=True, slots=True)
class PastDaysDesk:
    """Takes the orders of one daemon."""

    desk: Desk
    backfiller: Backfiller
    registry: Registry
    database: Database

    async def order(self, days: Sequence[PastDay], uid: int | None) -> Mapping[str, Any]:
        """Take orders about an office, all or none; tells what each comes to.

        Raises:
            OrderRefused: One of them cannot be carried out, or not now.
        """
        with self.desk.recorded("backfill", days[0].office_id, uid) as told, _refusing(days[0].office_id):
            receiver = self.backfiller.receiver
            if days[0].via is Via.SFTP and receiver is None:
                advice = "Set `[sftp] listen` and `public_host`, then restart the daemon."
                raise OrderRefused(CONFLICT, "Nobody receives what an office uploads.", advice)
            taken = await self.backfiller.order(days)
            sentences = [self._sentence(each, receiver) for each in taken]
            documents = [
                {**self._document(each.course.order, each.course), "outcome": sentence}
                for each, sentence in zip(taken, sentences, strict=True)
            ]
            return {"backfills": documents, "outcome": told(" ".join(sentences))}

    async def cancel(self, office_id: str, days: Collection[date], uid: int | None) -> Mapping[str, Any]:
        """End the open orders of an office, or those for these days.

        Raises:
            OrderRefused: There is none, or it cannot be stored.
        """
        with self.desk.recorded("backfill cancel", office_id, uid) as told, _refusing(office_id):
            cancelled = await self.backfiller.cancel(office_id, days)
            if not cancelled:
                which = f" for {', '.join(map(str, sorted(days)))}" if days else ""
                raise OrderRefused(
                    NOT_FOUND, f"{office_id} has no open order{which}.", "`oddaemon backfill` lists them all."
                )
            named = ", ".join(str(order.day.as_of) for order in cancelled)
            return {
                "backfills": [self._document(order, None) for order in cancelled],
                "outcome": told(f"{office_id} is not read as of {named} any more."),
            }

    async def orders(self) -> Mapping[str, Any]:
        """How every order stands, those that are over included."""
        running = {course.order.number: course for course in self.backfiller.courses()}
        known, held = await backfills.orders(self.database), await historical.outcomes(self.database)
        documents = [
            self._document(order, running.get(order.number), held.get((order.day.office_id, order.day.as_of)))
            for order in known
        ]
        return {"backfills": documents, "outcome": summary([order for order in known if order.stage is Stage.OPEN])}

    def _sentence(self, taken: Taken, receiver: Receiver | None) -> str:
        course, day = taken.course, taken.course.order.day
        paused = _left_alone(self.backfiller.view_of(day.office_id))
        if not taken.is_new:
            read = f"; {course.requests:,} requests of its reading are made" if day.via is Via.REPORT else ""
            said = f"{day.office_id} is being read as of {day.as_of} by an order before this one, which goes on{read}."
        elif day.via is Via.SFTP and receiver is not None:
            patience = timedelta(seconds=round(receiver.wait_seconds))
            said = (
                f"{day.office_id} uploads your query's result as of {day.as_of}, then its own count of it; "
                f"each file is waited for, up to {patience}."
            )
        else:
            said = self._cost(course)
        return f"{said} {paused}" if paused else said

    def _cost(self, course: Course) -> str:
        day, worker = course.order.day, self.registry.worker_of(course.order.day.office_id)
        expected = self.backfiller.expected(course.order)
        if expected is None or worker is None:
            return f"{day.office_id} is read as of {day.as_of}; how many requests it takes shows once it is there."
        seconds = expected * max(worker.api.min_interval_seconds, 1.0)
        return (
            f"{day.office_id} is read as of {day.as_of}: about {expected:,} requests, "
            f"{timedelta(seconds=round(seconds))} at its key's pace; the night's pull comes first."
        )

    def _document(self, order: Backfill, course: Course | None, held: Outcome | None = None) -> dict[str, Any]:
        day = order.day
        standing = course.order if course is not None else order
        requests, rows = _far(standing, course, held)
        return {
            "office": day.office_id,
            "as_of": day.as_of.isoformat(),
            "via": Via(day.via).value,
            "stage": standing.stage.value,
            "ordered_at": instant(order.ordered_at),
            "not_before": _instant(standing.not_before),
            "attempts": standing.attempts,
            "why": standing.why if standing.stage is not Stage.OPEN else self._obstacle(standing, course),
            "warning": OWES_NOTHING if standing.stage is Stage.DONE and held and held.owes_nothing else "",
            "step": course.step.value if course is not None and course.step is not None else None,
            "step_since": _instant(course.step_since) if course is not None and course.step is not None else None,
            "rows": rows,
            "requests": requests,
            "requests_expected": self.backfiller.expected(order),
        }

    def _obstacle(self, order: Backfill, course: Course | None) -> str:
        """What an open order waits for, or met last."""
        office_id = order.day.office_id
        view, first = self.backfiller.view_of(office_id), self.backfiller.under_way(office_id)
        if (left_alone := _left_alone(view)) or order.why:
            return left_alone or order.why
        if view is not None and view.state.standing.condition is Condition.PULLING:
            return "The night's balances are being read, which come first."
        if view is not None and self.registry.worker_of(office_id) is None:
            return f"Nobody is at work at {office_id}; `oddaemon explain {office_id}` tells why."
        if first is not None and first is not course:
            return f"The order for {first.order.day.as_of} is carried out first."
        return ""


def summary(waiting: Sequence[Backfill]) -> str:
    """The orders that are not over, in a sentence."""
    if not waiting:
        return "No order for a past day is open."
    return f"{len(waiting)} order{'' if len(waiting) == 1 else 's'} for past days open."


@contextmanager
def _refusing(office_id: str) -> Iterator[None]:
    """Whatever keeps an order from being taken, told to whoever gave it."""
    try:
        yield
    except WrongDayError as error:
        raise OrderRefused(CONFLICT, str(error), "Name an earlier day.") from None
    except WrongQueryError as error:
        raise OrderRefused(CONFLICT, str(error), "See `oddaemon backfill --help`.") from None
    except OfficeGoneError:
        raise OrderRefused(
            NOT_FOUND, f"No office {office_id!r} is at work.", "`oddaemon status` lists them all."
        ) from None
    except StoreError as error:
        raise OrderRefused(CONFLICT, error.what, error.advice) from None


def _left_alone(view: OfficeView | None) -> str:
    """Why nothing is asked of an office; "": it is."""
    if view is None or view.state.standing.condition is not Condition.PAUSED:
        return ""
    office = view.office.id
    if not view.office.enabled:
        return f"{office} is switched off; set `enabled = true` for it, then `oddaemon reload` goes on."
    return f"{office} is paused; `oddaemon office resume {office}` goes on."


def _far(order: Backfill, course: Course | None, held: Outcome | None) -> tuple[int | None, int | None]:
    """Requests and rows: so far, or in the end; None where that is not known any more."""
    if order.stage is Stage.OPEN:
        return (0, 0) if course is None else (course.requests, course.rows)
    if order.stage is Stage.DONE and held is not None:
        return held.requests, held.guarantors
    return None, None


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
