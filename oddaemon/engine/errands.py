"""Orders that take longer than anybody should have to hold a connection: begun now, looked at until they are over.

They work on the database's file as a whole, so they come one after another, and in turn with the housekeeper's jobs.
What becomes of one is told to whoever looks, and stands in the log for whoever does not.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.engine.guard import crash_of
from oddaemon.engine.orders import CONFLICT, NOT_FOUND, Desk
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.crash import describe
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import ErrandDone, ErrandFailed
from oddaemon.web.control import Document, OrderRefused

UNDER_WAY = "under way"
DONE = "done"

Work = Callable[[], Awaitable[Document]]
"""Does it; its document has an `outcome`, a sentence. Raises `OrderRefused` or `StoreError` where it cannot be done."""


@dataclass(slots=True)
class _Errand:
    """One of them, and what became of it."""

    found: Document | None = None
    refusal: OrderRefused | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def is_over(self) -> bool:
        return self.found is not None or self.refusal is not None


class Errands:
    """The last errand of each name.

    Args:
        desk: Writes orders down.
        database: On whose file they work.
        tasks: Where they run.
        emit: Takes the events.
    """

    def __init__(
        self, desk: Desk, database: Database, tasks: anyio.abc.TaskGroup, emit: Callable[[Event], None]
    ) -> None:
        self._desk = desk
        self._database = database
        self._tasks = tasks
        self._emit = emit
        self._errands: dict[str, _Errand] = {}

    async def begin(self, order: str, office_id: str, uid: int | None, work: Work) -> str:
        """Have it done, unless that is under way; tells what happens now.

        Raises:
            OrderRefused: The daemon is not at work.
        """
        await anyio.lowlevel.checkpoint()
        name = _name(order, office_id)
        with self._desk.recorded(order, office_id, uid) as told:
            former = self._errands.get(name)
            if former is not None and not former.is_over:
                return told("It is being done already.")
            self._errands[name] = errand = _Errand()
            self._tasks.start_soon(self._do, name, errand, work, name=name)
            return told("It is done now, in its turn at the database's file.")

    async def told(self, order: str, office_id: str) -> Document:
        """`{"outcome": "under way"|"done", "found": {…}|null}`.

        Raises:
            OrderRefused: It could not be done, or nobody has ordered it.
        """
        await anyio.lowlevel.checkpoint()
        name = _name(order, office_id)
        errand = self._errands.get(name)
        if errand is None:
            raise OrderRefused(NOT_FOUND, f"Nobody has ordered `{name}` since the daemon started.", "Order it again.")
        if errand.refusal is not None:
            raise errand.refusal
        return {"outcome": DONE if errand.is_over else UNDER_WAY, "found": errand.found}

    def end(self) -> None:
        """Break off what is under way: a large file takes minutes, and whoever has something to store waits for it."""
        for errand in self._errands.values():
            errand.scope.cancel()

    async def _do(self, name: str, errand: _Errand, work: Work) -> None:
        async def done() -> None:
            errand.found = await work()

        error: Exception | None = _broken_off()
        began = anyio.current_time()
        with errand.scope:
            async with self._database.whole_file:
                began = anyio.current_time()
                error = await crash_of(done)
        seconds = anyio.current_time() - began
        if errand.found is not None:
            self._emit(ErrandDone(name, seconds, errand.found["outcome"]))
            return
        assert error is not None, "either it did or it did not"
        errand.refusal = refusal = refusal_of(error)
        traceback = None if isinstance(error, StoreError | OrderRefused) else describe(error)
        self._emit(ErrandFailed(name, seconds, f"{refusal.sentence} {refusal.advice}".strip(), traceback))


def _broken_off() -> OrderRefused:
    return OrderRefused(CONFLICT, "The daemon is stopping, and broke it off.", "Order it again once it has started.")


def refusal_of(error: Exception) -> OrderRefused:
    """What whoever ordered something is told of what ended it."""
    match error:
        case OrderRefused():
            return error
        case StoreError():
            return OrderRefused(CONFLICT, error.what, error.advice)
        case _:
            sentence = f"An error in oddaemon itself ended it: {type(error).__name__}."
            return OrderRefused(CONFLICT, sentence, "Report the event `errand_failed` from the log to us.")


def _name(order: str, office_id: str) -> str:
    return f"{order} {office_id}".strip()
