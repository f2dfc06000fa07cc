"""Commands about one office, and about the daemon: reload, preview of a reload, drain.

A command about an office is checked against the office's state, carried out by its worker, and changes nothing but
through the state machine. A command that would do nothing is rejected, with advice.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Protocol

from oddaemon.admin.commands import CommandLog, CommandRejected, Document, RejectionKind, reject_unknown_office
from oddaemon.core.config_diff import ConfigDiff
from oddaemon.core.office.evidence import can_accept
from oddaemon.core.office.state import OfficeCommand, OfficeState
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.config.active_config import RemovalsRefused
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.registry import Registry
from oddaemon.settings import BadConfiguration, LoadResult
from oddaemon.settings.files.problem import make_problem_document
from oddaemon.store.errors import StoreError

_ENABLE_ADVICE = "Set `enabled = true` for it, then run `oddaemon reload`."
_STAYS_ACTIVE = "The previous configuration stays active."

PreviewFunction = Callable[[], Awaitable[tuple[ConfigDiff, LoadResult]]]


class ReloadFunction(Protocol):
    """Reads the configuration again and applies it."""

    def __call__(self, *, accept_removals: bool) -> Awaitable[tuple[ConfigDiff, LoadResult]]:
        """Apply it; if it removes most of the offices, only with `accept_removals`."""


def validate_command(command: OfficeCommand, runtime: OfficeRuntime, *, at_once: bool) -> str:
    """Check a command; returns a sentence for the user.

    Args:
        command: The command.
        runtime: The office's state.
        at_once: Whether its worker is idle; otherwise it finishes its current action first.

    Raises:
        CommandRejected: The command would do nothing.
    """
    match command:
        case OfficeCommand.ACCEPT:
            return _validate_accept(runtime)
        case OfficeCommand.PAUSE:
            return _validate_pause(runtime, at_once=at_once)
        case OfficeCommand.RESUME:
            return _validate_resume(runtime)
        case OfficeCommand.SYNC:
            return _validate_sync(runtime, at_once=at_once)


def _validate_accept(runtime: OfficeRuntime) -> str:
    office, state = runtime.spec.id, runtime.state
    if not can_accept(state):
        advice = f"`oddaemon explain {office}` shows its state."
        raise CommandRejected(RejectionKind.CONFLICT, f"Nothing of {office} is held back.", advice)
    if state.stranger is not None:
        return "Accepted the database that answers now as this office's own. It is read as soon as its aging allows."
    return "The next reading is published as it is."


def _validate_pause(runtime: OfficeRuntime, *, at_once: bool) -> str:
    office = runtime.spec.id
    if runtime.state.paused:
        advice = f"Resume it with `oddaemon office resume {office}`."
        raise CommandRejected(RejectionKind.NOTHING_TO_DO, f"{office} is already paused.", advice)
    if not runtime.spec.enabled:
        raise _reject_disabled(office, "There is nothing to pause.")
    when = "Paused" if at_once else "Paused as soon as its current action has ended"
    return f"{when} (survives a restart). Resume with `oddaemon office resume {office}`."


def _validate_resume(runtime: OfficeRuntime) -> str:
    office = runtime.spec.id
    if not runtime.spec.enabled:
        if runtime.state.paused:
            return f"Resumed, but still disabled in the configuration. {_ENABLE_ADVICE}"
        raise _reject_disabled(office, _ENABLE_ADVICE)
    if not runtime.state.paused:
        advice = f"`oddaemon explain {office}` shows its state."
        raise CommandRejected(RejectionKind.NOTHING_TO_DO, f"{office} is not paused.", advice)
    return "Resumed. The office is probed now."


def _validate_sync(runtime: OfficeRuntime, *, at_once: bool) -> str:
    office, state = runtime.spec.id, runtime.state
    if not runtime.spec.enabled:
        raise _reject_disabled(office, _ENABLE_ADVICE)
    if state.paused:
        advice = f"`oddaemon office resume {office}` resumes and probes it."
        raise CommandRejected(RejectionKind.CONFLICT, f"{office} is paused.", advice)
    when = "now" if at_once else "as soon as its current action has ended"
    return f"The office is probed {when}. {_describe_sync(state)}"


def _reject_disabled(office: str, advice: str) -> CommandRejected:
    return CommandRejected(RejectionKind.CONFLICT, f"{office} is disabled in the configuration.", advice)


def _describe_sync(state: OfficeState) -> str:
    """What a sync leads to: a probe, and a pull only where one is needed."""
    if state.held is not None:
        return "The reading that is held back is repeated, and published if both agree."
    if state.published is None:
        return "Its balances are read if its aging has completed."
    last = state.published.aging_date
    return f"Its balances are read only if aging has completed since the run of {last}."


@dataclass(frozen=True, slots=True)
class CommandService:
    """Runs commands about offices and about the daemon."""

    log: CommandLog
    registry: Registry
    fleet: FleetState
    apply_configuration: ReloadFunction
    """Reads the configuration again and applies it."""
    preview_configuration: PreviewFunction
    """Reads it and reports what a reload would change."""
    begin_drain: Callable[[], str]
    """Starts to stop the daemon; returns a sentence for the user."""
    run_in_fleet: Callable[[OfficeCommand, str, int | None], Awaitable[str]] | None = None
    """Has the host that holds an office carry out a command; None: this daemon has all offices."""

    async def reload(self, uid: int | None, *, accept_removals: bool = False) -> Document:
        """Read the configuration again and apply it; returns what changed.

        Args:
            uid: The user who sent the command.
            accept_removals: Apply it even if it removes most of the offices.

        Raises:
            CommandRejected: It has problems; the previous one stays active.
        """
        with self.log.record("reload", "", uid) as reply:
            with _reject_reload_errors():
                diff, result = await self.apply_configuration(accept_removals=accept_removals)
            return _build_reload_document(reply(f"Applied: {diff.sentence}"), diff, result)

    async def drain(self, uid: int | None) -> str:
        """Stop the daemon after its requests in flight; returns a sentence for the user.

        Raises:
            CommandRejected: It is stopping already.
        """
        with self.log.record("drain", "", uid) as reply:
            return reply(self.begin_drain())

    async def preview_reload(self) -> Document:
        """What a reload would change now.

        Raises:
            CommandRejected: It would be rejected.
        """
        self.log.require_open()
        with _reject_reload_errors():
            diff, result = await self.preview_configuration()
        return _build_reload_document(f"A reload would apply: {diff.sentence}", diff, result)

    async def run_office_command(self, command: OfficeCommand, office_id: str, uid: int | None) -> str:
        """Run a command about one office; returns a sentence for the user.

        Raises:
            CommandRejected: It would do nothing, or the office has no worker.
        """
        with self.log.record(command, office_id, uid) as reply:
            runtime = self.fleet.offices.get(office_id)
            if runtime is None:
                raise reject_unknown_office(office_id, self.fleet.offices)
            if self.run_in_fleet is not None:
                return reply(await self.run_in_fleet(command, office_id, uid))
            worker = self.registry.get_worker(office_id)
            if worker is None:
                sentence = f"No worker runs for {office_id}: an internal error ended it."
                raise CommandRejected(RejectionKind.CONFLICT, sentence, "`oddaemon reload` starts it again.")
            sentence = validate_command(command, runtime, at_once=worker.is_waiting)
            worker.submit(command)
            return reply(sentence)


def _build_reload_document(outcome: str, diff: ConfigDiff, result: LoadResult) -> Document:
    warnings = [make_problem_document(warning) for warning in result.warnings]
    return {"outcome": outcome, "plan": asdict(diff), "warnings": warnings}


@contextmanager
def _reject_reload_errors() -> Iterator[None]:
    try:
        yield
    except BadConfiguration as error:
        count = len(error.problems)
        sentence = f"The configuration has {'a problem' if count == 1 else f'{count:,} problems'}."
        advice = f"{_STAYS_ACTIVE} `oddaemon check` shows all problems."
        if isinstance(error, RemovalsRefused):
            sentence, advice = "The configuration would remove most of the offices.", _STAYS_ACTIVE
        problems = [make_problem_document(problem) for problem in error.problems]
        raise CommandRejected(RejectionKind.BAD_CONFIGURATION, sentence, advice, problems) from error
    except StoreError as error:
        advice = f"{_STAYS_ACTIVE} {error.advice}"
        raise CommandRejected(RejectionKind.CONFLICT, error.what, advice) from error
