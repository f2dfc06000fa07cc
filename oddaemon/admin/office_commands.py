"""What people order on the control socket: whether it can be done, what happens now, and a line in the log of each.

An order to an office is decided by how the office stands, obeyed by its worker, and changes nothing but through the
state machine. Whoever gives one is told the truth: what cannot be done is refused, with what to do instead.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from oddaemon.admin.commands import CommandHandlers, CommandNoOp, CommandRejected, Document, OfficeCommand
from oddaemon.core.config_diff import ConfigDiff, make_config_diff_document
from oddaemon.core.office.evidence import can_accept
from oddaemon.core.office.state import AcceptCommand, Command, OfficeState, PauseCommand, ResumeCommand, SyncCommand
from oddaemon.engine.offices.fleet_state import FleetState, OfficeRuntime
from oddaemon.engine.offices.registry import Registry
from oddaemon.settings import BadConfiguration, LoadResult
from oddaemon.settings.files.problem import make_problem_document
from oddaemon.settings.values.suggestions import find_nearest
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import CommandIgnored, CommandReceived
from oddaemon.telemetry.events.base import Event

CONFLICT = 409
NOT_FOUND = 404
UNPROCESSABLE = 422


def validate_command(command: OfficeCommand, runtime: OfficeRuntime, *, at_once: bool) -> tuple[Command, str]:
    """What the office's worker is to be told, and what whoever ordered it is.

    Args:
        command: What is asked.
        runtime: How the office stands.
        at_once: Whether its worker waits; else it comes to the order after what it does now.

    Raises:
        OrderRefused: It stands so that the order would do nothing.
    """
    match command:
        case OfficeCommand.ACCEPT:
            return AcceptCommand(), _validate_accept(runtime)
        case OfficeCommand.PAUSE:
            return PauseCommand(), _validate_pause(runtime, at_once=at_once)
        case OfficeCommand.RESUME:
            return ResumeCommand(), _validate_resume(runtime)
        case OfficeCommand.SYNC:
            return SyncCommand(), _validate_sync(runtime, at_once=at_once)


def _validate_accept(runtime: OfficeRuntime) -> str:
    office, state = runtime.office.id, runtime.state
    if not can_accept(state):
        raise CommandRejected(CONFLICT, f"Nothing of {office} is held back.", f"See `oddaemon explain {office}`.")
    if state.stranger is not None:
        return "The database that answers now is taken for this office's own; it is read as soon as its aging allows."
    return "The next reading is published as it is."


def _validate_pause(runtime: OfficeRuntime, *, at_once: bool) -> str:
    office = runtime.office.id
    if runtime.state.paused:
        raise CommandNoOp(f"{office} is paused already.", f"`oddaemon office resume {office}` goes on.")
    if not runtime.office.enabled:
        raise CommandRejected(
            CONFLICT, f"{office} is switched off in the configuration.", "It is left alone as it is: nothing to do."
        )
    when = "from now on" if at_once else "as soon as what is under way with it has ended"
    return f"Left alone {when}, also over a restart. `oddaemon office resume {office}` goes on."


def _validate_resume(runtime: OfficeRuntime) -> str:
    office = runtime.office.id
    if not runtime.office.enabled:
        advice = "Set `enabled = true` for it, then `oddaemon reload`."
        if runtime.state.paused:
            return f"Not paused any more, but switched off in the configuration. {advice}"
        raise CommandRejected(
            CONFLICT, f"{office} is switched off in the configuration, which no order changes.", advice
        )
    if not runtime.state.paused:
        raise CommandNoOp(f"{office} is not paused.", f"`oddaemon explain {office}` tells how it stands.")
    return "Watched again, and asked at once."


def _validate_sync(runtime: OfficeRuntime, *, at_once: bool) -> str:
    office, state = runtime.office.id, runtime.state
    if not runtime.office.enabled:
        raise CommandRejected(
            CONFLICT,
            f"{office} is switched off in the configuration, which no order changes.",
            "Set `enabled = true` for it, then `oddaemon reload`.",
        )
    if state.paused:
        raise CommandRejected(
            CONFLICT, f"{office} is paused.", f"`oddaemon office resume {office}` goes on, and asks it."
        )
    when = "at once" if at_once else "as soon as what is under way with it has ended"
    return f"Asked {when}. {_describe_sync(state)}"


def _describe_sync(state: OfficeState) -> str:
    """What a sync comes to: it asks, and reads only what is to be read."""
    if state.held is not None:
        return "What is held is read a second time, and published if it says the same."
    if state.published is None:
        return "Its balances are read if its aging has completed."
    last = state.published.aging_date
    return f"Its balances are read if aging has completed since that of {last}; what is fresh stays as it is."


ReloadFunction = Callable[[], Awaitable[tuple[ConfigDiff, LoadResult]]]


class CommandService:
    """Takes orders while the daemon is at work, and writes down each with who gave it.

    Args:
        registry: Who is at work where.
        fleet: How every office stands.
        reload: Reads the configuration again and applies it.
        preview: Tells what that would do.
        drain: Ends the daemon in good order, and tells what happens now.
        get_closed_reason: Why no orders are taken now; "": they are.
        emit: Takes the events.
    """

    def __init__(
        self,
        registry: Registry,
        fleet: FleetState,
        *,
        reload: ReloadFunction,
        preview: ReloadFunction,
        drain: Callable[[], str],
        get_closed_reason: Callable[[], str],
        emit: Callable[[Event], None],
    ) -> None:
        self._registry = registry
        self._fleet = fleet
        self._reload = reload
        self._preview = preview
        self._drain = drain
        self._get_closed_reason = get_closed_reason
        self._emit = emit

    @property
    def handlers(self) -> CommandHandlers:
        """All that can be ordered."""
        return CommandHandlers(
            run_office_command=self.run_office_command,
            reload=self.reload,
            preview_reload=self.preview_reload,
            drain=self.drain,
        )

    async def reload(self, uid: int | None) -> Document:
        """Read the configuration again and apply it; tells what changed.

        Raises:
            OrderRefused: It was refused; the former one stays in force.
        """
        with self.log_command("reload", "", uid) as reply:
            with _translate_errors():
                diff, result = await self._reload()
            return _build_reload_document(reply(f"In force: {diff.sentence}"), diff, result)

    async def drain(self, uid: int | None) -> str:
        """End the daemon in good order; tells what happens now.

        Raises:
            OrderRefused: It ends already.
        """
        with self.log_command("drain", "", uid) as reply:
            return reply(self._drain())

    async def preview_reload(self) -> Document:
        """What a reload would do now.

        Raises:
            OrderRefused: It would be refused.
        """
        self._require_open()
        with _translate_errors():
            diff, result = await self._preview()
        return _build_reload_document(f"A reload would bring: {diff.sentence}", diff, result)

    async def run_office_command(self, command: OfficeCommand, office_id: str, uid: int | None) -> str:
        """Carry out an order about one office; tells what happens now.

        Raises:
            OrderRefused: It would do nothing, or there is nobody to carry it out.
        """
        with self.log_command(command, office_id, uid) as reply:
            runtime = self._fleet.offices.get(office_id)
            if runtime is None:
                near = find_nearest(office_id, self._fleet.offices)
                advice = f"Did you mean `{near}`?" if near else "`oddaemon status` lists them all."
                raise CommandRejected(NOT_FOUND, f"No office {office_id!r} is at work.", advice)
            worker = self._registry.get_worker(office_id)
            if worker is None:
                sentence = f"Nobody is at work at {office_id}: an error in oddaemon itself ended that."
                raise CommandRejected(CONFLICT, sentence, "`oddaemon reload` has it tried again.")
            worker_command, sentence = validate_command(command, runtime, at_once=worker.is_waiting)
            worker.submit(worker_command)
            return reply(sentence)

    @contextmanager
    def log_command(self, command: str, office_id: str, uid: int | None) -> Iterator[Callable[[str], str]]:
        """Around what carries an order out: what it tells through the function, or is refused with, is written down.

        Raises:
            OrderRefused: The daemon is not at work.
        """

        def reply(sentence: str) -> str:
            self._emit(CommandReceived(command, office_id, uid, sentence))
            return sentence

        try:
            self._require_open()
            yield reply
        except CommandNoOp as no_op:
            self._emit(CommandIgnored(command, office_id, uid, no_op.sentence))
            raise
        except CommandRejected as rejection:
            self._emit(CommandReceived(command, office_id, uid, rejection.sentence, rejected=True))
            raise

    def _require_open(self) -> None:
        if reason := self._get_closed_reason():
            raise CommandRejected(CONFLICT, f"No orders are taken now: {reason}.", "`oddaemon status` tells more.")


def _build_reload_document(outcome: str, diff: ConfigDiff, result: LoadResult) -> Document:
    warnings = [make_problem_document(warning) for warning in result.warnings]
    return {"outcome": outcome, "plan": make_config_diff_document(diff), "warnings": warnings}


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Whatever keeps a configuration out of force, told to whoever wanted it in force."""
    try:
        yield
    except BadConfiguration as error:
        count = len(error.problems)
        sentence = f"The configuration has {'a problem' if count == 1 else f'{count:,} problems'}."
        advice = "The former one stays in force; `oddaemon check` shows what to mend."
        problems = [make_problem_document(problem) for problem in error.problems]
        raise CommandRejected(UNPROCESSABLE, sentence, advice, {"problems": problems}) from error
    except StoreError as error:
        raise CommandRejected(
            CONFLICT, error.what, f"The former configuration stays in force. {error.advice}"
        ) from error
