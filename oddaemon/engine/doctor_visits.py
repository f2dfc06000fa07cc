"""Examinations by the daemon: asked in the turn of its own worker, so that nobody's key is asked twice at once.

One is begun by an order and looked at until it is done, because it takes longer than anybody should have to hold a
connection. Whoever orders one that is under way is shown that one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.core.examination_document import examination_document
from oddaemon.engine.doctor import QUESTIONS_MAX, Case, examine
from oddaemon.engine.errands import refusal_of
from oddaemon.engine.guard import crash_of
from oddaemon.engine.orders import NOT_FOUND, Desk
from oddaemon.engine.registry import Registry
from oddaemon.opendental.client import Api
from oddaemon.settings import Settings
from oddaemon.telemetry.crash import describe
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import ErrandFailed
from oddaemon.web.control import OrderRefused

UNDER_WAY = "under way"
DONE = "done"


@dataclass(slots=True)
class _Visit:
    """One examination, and how far it has come."""

    asked: int = 0
    of: int = QUESTIONS_MAX
    found: dict[str, Any] | None = None
    refusal: OrderRefused | None = None
    """Why nothing will be found."""

    @property
    def is_under_way(self) -> bool:
        return self.found is None and self.refusal is None

    def goes(self, asked: int, of: int) -> None:
        """So many questions are done."""
        self.asked, self.of = asked, of


class Visits:
    """The last examination of each office that was examined.

    Args:
        desk: Writes orders down.
        registry: Who is at work where.
        api: The way to every office.
        tasks: Where examinations run.
        settings: Those in force.
        emit: Takes the events.
    """

    def __init__(
        self,
        desk: Desk,
        registry: Registry,
        api: Api,
        tasks: anyio.abc.TaskGroup,
        settings: Callable[[], Settings],
        *,
        emit: Callable[[Event], None],
    ) -> None:
        self._desk = desk
        self._registry = registry
        self._api = api
        self._tasks = tasks
        self._settings = settings
        self._emit = emit
        self._visits: dict[str, _Visit] = {}

    async def begin(self, office_id: str, uid: int | None) -> str:
        """Begin to examine an office that is at work, unless that is under way; tells what happens now.

        Raises:
            OrderRefused: Nobody is at work there, so whoever asks may as well ask the office.
        """
        await anyio.lowlevel.checkpoint()
        with self._desk.recorded("examine", office_id, uid) as told:
            case = self._case(office_id)
            visit = self._visits.get(office_id)
            if visit is not None and visit.is_under_way:
                return told("It is being examined already.")
            self._visits[office_id] = visit = _Visit()
            self._tasks.start_soon(self._examine, office_id, case, visit, name=f"examination of {office_id}")
            return told("It is examined now, in its key's own turn.")

    async def told(self, office_id: str) -> Mapping[str, Any]:
        """How far the examination has come, or what it found.

        Raises:
            OrderRefused: There was none, or an error of our own ended it.
        """
        await anyio.lowlevel.checkpoint()
        visit = self._visits.get(office_id)
        if visit is None:
            raise OrderRefused(NOT_FOUND, f"{office_id!r} was not examined.", f"`oddaemon doctor {office_id}` does.")
        if visit.refusal is not None:
            raise visit.refusal
        outcome = UNDER_WAY if visit.found is None else DONE
        return {"outcome": outcome, "asked": visit.asked, "of": visit.of, "examination": visit.found}

    def _case(self, office_id: str) -> Case:
        settings, worker = self._settings(), self._registry.worker_of(office_id)
        office = next((each for each in settings.offices if each.office.id == office_id), None)
        if worker is None or office is None:
            advice = "`oddaemon status` lists them all."
            raise OrderRefused(NOT_FOUND, f"Nobody is at work at {office_id!r}.", advice, {"at_work": False})
        name = settings.api.developer_name
        return Case(office, worker.api, settings.cadence, name, "daemon", worker.is_proven)

    async def _examine(self, office_id: str, case: Case, visit: _Visit) -> None:
        async def examined() -> None:
            visit.found = examination_document(await examine(case, self._api, visit.goes))

        began = anyio.current_time()
        try:
            error = await crash_of(examined)
            if error is not None:
                visit.refusal = refusal = refusal_of(error)
                problem = f"{refusal.sentence} {refusal.advice}"
                seconds = anyio.current_time() - began
                self._emit(ErrandFailed(f"examine {office_id}", seconds, problem, describe(error)))
        finally:
            if visit.is_under_way:
                del self._visits[office_id]
