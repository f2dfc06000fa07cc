"""What all commands on the control socket share: how one is rejected, and the log line that each leaves.

Nothing here knows HTTP: `app.py` turns a rejection into a status code.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from oddaemon.core.fleet.lease import LeaseLost
from oddaemon.core.reporting.command_hints import describe_unknown_office
from oddaemon.store.errors import StoreError, make_left_error
from oddaemon.telemetry.events import CommandIgnored, CommandReceived
from oddaemon.telemetry.events.base import Event

Document = Mapping[str, Any]


class RejectionKind(StrEnum):
    """Why a command is rejected."""

    INVALID_REQUEST = "invalid request"
    NOT_FOUND = "not found"
    NO_WORKER = "no worker"
    """No worker of the daemon runs for the office, so the client may query the office itself."""
    CONFLICT = "conflict"
    NOTHING_TO_DO = "nothing to do"
    """The office is in the wanted state already."""
    BAD_CONFIGURATION = "bad configuration"


class CommandRejected(Exception):
    """A command that cannot be carried out.

    Args:
        kind: The reason, for programs.
        sentence: The reason, for people.
        advice: What to do instead.
        problems: The problems of a bad configuration, as documents.
    """

    def __init__(self, kind: RejectionKind, sentence: str, advice: str = "", problems: Sequence[Document] = ()) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
        self.advice = advice
        self.problems = problems


def reject_unknown_office(office_id: str, known: Iterable[str]) -> CommandRejected:
    """The rejection of a command about an office that the daemon does not have."""
    return CommandRejected(RejectionKind.NOT_FOUND, *describe_unknown_office(office_id, known))


def reject_store_error(error: StoreError) -> CommandRejected:
    """The rejection of a command that the database could not serve."""
    return CommandRejected(RejectionKind.CONFLICT, error.what, error.advice)


def _make_rejection(error: CommandRejected | StoreError | LeaseLost) -> CommandRejected:
    if isinstance(error, LeaseLost):
        return reject_store_error(make_left_error("its database"))
    return reject_store_error(error) if isinstance(error, StoreError) else error


@dataclass(frozen=True, slots=True)
class CommandLog:
    """Accepts commands while the daemon runs, and logs each with the user who sent it."""

    get_closed_reason: Callable[[], str]
    """Why no command is accepted now; "": commands are accepted."""
    emit: Callable[[Event], None]

    @contextmanager
    def record(self, command: str, office_id: str, uid: int | None) -> Iterator[Callable[[str], str]]:
        """Log the reply that is passed to the yielded function, or the rejection that leaves the block.

        Args:
            command: Its name in the log.
            office_id: "": the command concerns the whole daemon.
            uid: The user who sent it; None: unknown.

        Raises:
            CommandRejected: The daemon accepts no commands now, the block raised it, or the database failed.
        """

        def reply(sentence: str) -> str:
            self.emit(CommandReceived(command, office_id, uid, sentence))
            return sentence

        try:
            self.require_open()
            yield reply
        except (CommandRejected, StoreError, LeaseLost) as error:
            rejection = _make_rejection(error)
            if rejection.kind is RejectionKind.NOTHING_TO_DO:
                self.emit(CommandIgnored(command, office_id, uid, rejection.sentence))
            else:
                self.emit(CommandReceived(command, office_id, uid, rejection.sentence, rejected=True))
            raise rejection from None

    def require_open(self) -> None:
        """Check that the daemon accepts commands.

        Raises:
            CommandRejected: It is starting or stopping.
        """
        if reason := self.get_closed_reason():
            sentence = f"The daemon accepts no commands now: {reason}."
            raise CommandRejected(RejectionKind.CONFLICT, sentence, "`oddaemon status` shows its state.")
