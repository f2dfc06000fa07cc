"""What people order on the control socket: whether it can be done, what happens now, and a line in the log of each.

An order to an office is decided by how the office stands, obeyed by its worker, and changes nothing but through the
state machine. Whoever gives one is told the truth: what cannot be done is refused, with what to do instead.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from oddaemon.core.office import can_accept
from oddaemon.core.plan import Plan, plan_document
from oddaemon.core.state import Accepted, OfficeState, Order, PauseOrdered, ResumeOrdered, SyncOrdered
from oddaemon.engine.fleet import Fleet, OfficeView
from oddaemon.engine.registry import Registry
from oddaemon.settings import BadConfiguration, Loaded
from oddaemon.settings.problem import nearest, problem_document
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import NeedlessOrderGiven, OrderGiven
from oddaemon.web.control import Document, OfficeOrder, OrderNeedless, OrderRefused, Orders

CONFLICT = 409
NOT_FOUND = 404
UNPROCESSABLE = 422


def judged(order: OfficeOrder, view: OfficeView, *, at_once: bool) -> tuple[Order, str]:
    """What the office's worker is to be told, and what whoever ordered it is.

    Args:
        order: What is asked.
        view: How the office stands.
        at_once: Whether its worker waits; else it comes to the order after what it does now.

    Raises:
        OrderRefused: It stands so that the order would do nothing.
    """
    match order:
        case OfficeOrder.ACCEPT:
            return Accepted(), _accepted(view)
        case OfficeOrder.PAUSE:
            return PauseOrdered(), _paused(view, at_once=at_once)
        case OfficeOrder.RESUME:
            return ResumeOrdered(), _resumed(view)
        case OfficeOrder.SYNC:
            return SyncOrdered(), _synced(view, at_once=at_once)


def _accepted(view: OfficeView) -> str:
    office, state = view.office.id, view.state
    if not can_accept(state):
        raise OrderRefused(CONFLICT, f"Nothing of {office} is held back.", f"See `oddaemon explain {office}`.")
    if state.stranger is not None:
        return "The database that answers now is taken for this office's own; it is read as soon as its aging allows."
    return "The next reading is published as it is."


def _paused(view: OfficeView, *, at_once: bool) -> str:
    office = view.office.id
    if view.state.paused:
        raise OrderNeedless(f"{office} is paused already.", f"`oddaemon office resume {office}` goes on.")
    if not view.office.enabled:
        raise OrderRefused(
            CONFLICT, f"{office} is switched off in the configuration.", "It is left alone as it is: nothing to do."
        )
    when = "from now on" if at_once else "as soon as what is under way with it has ended"
    return f"Left alone {when}, also over a restart. `oddaemon office resume {office}` goes on."


def _resumed(view: OfficeView) -> str:
    office = view.office.id
    if not view.office.enabled:
        advice = "Set `enabled = true` for it, then `oddaemon reload`."
        if view.state.paused:
            return f"Not paused any more, but switched off in the configuration. {advice}"
        raise OrderRefused(CONFLICT, f"{office} is switched off in the configuration, which no order changes.", advice)
    if not view.state.paused:
        raise OrderNeedless(f"{office} is not paused.", f"`oddaemon explain {office}` tells how it stands.")
    return "Watched again, and asked at once."


def _synced(view: OfficeView, *, at_once: bool) -> str:
    office, state = view.office.id, view.state
    if not view.office.enabled:
        raise OrderRefused(
            CONFLICT,
            f"{office} is switched off in the configuration, which no order changes.",
            "Set `enabled = true` for it, then `oddaemon reload`.",
        )
    if state.paused:
        raise OrderRefused(CONFLICT, f"{office} is paused.", f"`oddaemon office resume {office}` goes on, and asks it.")
    when = "at once" if at_once else "as soon as what is under way with it has ended"
    return f"Asked {when}. {_read(state)}"


def _read(state: OfficeState) -> str:
    """What a sync comes to: it asks, and reads only what is to be read."""
    if state.held is not None:
        return "What is held is read a second time, and published if it says the same."
    if state.published is None:
        return "Its balances are read if its aging has completed."
    last = state.published.aging_date
    return f"Its balances are read if aging has completed since that of {last}; what is fresh stays as it is."


Reading = Callable[[], Awaitable[tuple[Plan, Loaded]]]


class Desk:
    """Takes orders while the daemon is at work, and writes down each with who gave it.

    Args:
        registry: Who is at work where.
        fleet: How every office stands.
        reload: Reads the configuration again and applies it.
        look: Tells what that would do.
        drain: Ends the daemon in good order, and tells what happens now.
        closed: Why no orders are taken now; "": they are.
        emit: Takes the events.
    """

    def __init__(
        self,
        registry: Registry,
        fleet: Fleet,
        *,
        reload: Reading,
        look: Reading,
        drain: Callable[[], str],
        closed: Callable[[], str],
        emit: Callable[[Event], None],
    ) -> None:
        self._registry = registry
        self._fleet = fleet
        self._reload = reload
        self._look = look
        self._drain = drain
        self._closed = closed
        self._emit = emit

    @property
    def orders(self) -> Orders:
        """All that can be ordered."""
        return Orders(office=self.about_office, reload=self.reload, plan=self.plan, drain=self.drain)

    async def reload(self, uid: int | None) -> Document:
        """Read the configuration again and apply it; tells what changed.

        Raises:
            OrderRefused: It was refused; the former one stays in force.
        """
        with self.recorded("reload", "", uid) as told:
            with _refusing():
                plan, loaded = await self._reload()
            return _told(told(f"In force: {plan.sentence}"), plan, loaded)

    async def drain(self, uid: int | None) -> str:
        """End the daemon in good order; tells what happens now.

        Raises:
            OrderRefused: It ends already.
        """
        with self.recorded("drain", "", uid) as told:
            return told(self._drain())

    async def plan(self) -> Document:
        """What a reload would do now.

        Raises:
            OrderRefused: It would be refused.
        """
        self._require_open()
        with _refusing():
            plan, loaded = await self._look()
        return _told(f"A reload would bring: {plan.sentence}", plan, loaded)

    async def about_office(self, order: OfficeOrder, office_id: str, uid: int | None) -> str:
        """Carry out an order about one office; tells what happens now.

        Raises:
            OrderRefused: It would do nothing, or there is nobody to carry it out.
        """
        with self.recorded(order, office_id, uid) as told:
            view = self._fleet.views.get(office_id)
            if view is None:
                near = nearest(office_id, self._fleet.views)
                advice = f"Did you mean `{near}`?" if near else "`oddaemon status` lists them all."
                raise OrderRefused(NOT_FOUND, f"No office {office_id!r} is at work.", advice)
            worker = self._registry.worker_of(office_id)
            if worker is None:
                sentence = f"Nobody is at work at {office_id}: an error in oddaemon itself ended that."
                raise OrderRefused(CONFLICT, sentence, "`oddaemon reload` has it tried again.")
            command, sentence = judged(order, view, at_once=worker.is_waiting)
            worker.tell(command)
            return told(sentence)

    @contextmanager
    def recorded(self, order: str, office_id: str, uid: int | None) -> Iterator[Callable[[str], str]]:
        """Around what carries an order out: what it tells through the function, or is refused with, is written down.

        Raises:
            OrderRefused: The daemon is not at work.
        """

        def told(sentence: str) -> str:
            self._emit(OrderGiven(order, office_id, uid, sentence))
            return sentence

        try:
            self._require_open()
            yield told
        except OrderNeedless as needless:
            self._emit(NeedlessOrderGiven(order, office_id, uid, needless.sentence))
            raise
        except OrderRefused as refusal:
            self._emit(OrderGiven(order, office_id, uid, refusal.sentence, is_refused=True))
            raise

    def _require_open(self) -> None:
        if reason := self._closed():
            raise OrderRefused(CONFLICT, f"No orders are taken now: {reason}.", "`oddaemon status` tells more.")


def _told(outcome: str, plan: Plan, loaded: Loaded) -> Document:
    warnings = [problem_document(warning) for warning in loaded.warnings]
    return {"outcome": outcome, "plan": plan_document(plan), "warnings": warnings}


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever keeps a configuration out of force, told to whoever wanted it in force."""
    try:
        yield
    except BadConfiguration as error:
        count = len(error.problems)
        sentence = f"The configuration has {'a problem' if count == 1 else f'{count:,} problems'}."
        advice = "The former one stays in force; `oddaemon check` shows what to mend."
        problems = [problem_document(problem) for problem in error.problems]
        raise OrderRefused(UNPROCESSABLE, sentence, advice, {"problems": problems}) from error
    except StoreError as error:
        raise OrderRefused(CONFLICT, error.what, f"The former configuration stays in force. {error.advice}") from error
