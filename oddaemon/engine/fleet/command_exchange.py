"""Commands between hosts: one that was given here goes to the host that holds the office, and its answer comes back."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import anyio.abc

from oddaemon.core.fleet.lease import LeaseKind, LeaseLost
from oddaemon.engine.fleet.membership import Membership
from oddaemon.engine.tasks import run_guarded
from oddaemon.store.errors import StoreError
from oddaemon.store.fleet import commands, members
from oddaemon.store.fleet.commands import CommandAnswer, NewCommand, TakenCommand
from oddaemon.store.fleet.connection import FleetDatabase

POLL_SECONDS = 0.2
ANSWER_SECONDS = 10.0
"""How long the one who gave a command waits for its answer; it stands all the same."""

CommandHandler = Callable[[TakenCommand], Awaitable[CommandAnswer]]
"""Carries out a command, as far as it may be answered."""


class CommandExchange:
    """The commands of one membership.

    Args:
        database: Where they are exchanged.
        membership: Of this host.
        host: Its name.
        tasks: Where the commands of others are carried out.
    """

    def __init__(self, database: FleetDatabase, membership: Membership, host: str, tasks: anyio.abc.TaskGroup) -> None:
        self._database = database
        self._membership = membership
        self._host = host
        self._tasks = tasks
        self._handlers: dict[str, CommandHandler] = {}

    def is_elsewhere(self, office_id: str) -> bool:
        """Whether a command about this office is for another host to carry out."""
        return not self._membership.holdings.holds(LeaseKind.OFFICE, office_id)

    def handle(self, verb: str, handler: CommandHandler) -> None:
        """Have the commands of one verb that come from other hosts carried out."""
        self._handlers[verb] = handler

    async def ask(
        self, office_id: str, verb: str, uid: int | None, seconds: float = ANSWER_SECONDS
    ) -> CommandAnswer | None:
        """Give a command about an office to the host that holds it, which may be this one.

        Args:
            office_id: The office.
            verb: What is to be done.
            uid: The user who asks for it.
            seconds: How long to wait for the answer.

        Returns:
            The answer; None: there is none yet. The command stands.

        Raises:
            StoreError: The database fails.
        """
        turns = self._database.turns
        number = await commands.give(turns, NewCommand(LeaseKind.OFFICE, office_id, verb, "", self._host, uid))
        await members.notify(turns)
        self._membership.wake()
        with anyio.move_on_after(seconds):
            while True:
                if (found := await commands.find_answer(turns, number)) is not None:
                    return found
                await anyio.sleep(POLL_SECONDS)
        return None

    async def serve(self) -> None:
        """Take the commands that are this host's, and begin to carry them out.

        Raises:
            StoreError: The database fails.
        """
        for command in await commands.take(self._database.turns, self._membership.number):
            self._tasks.start_soon(self._carry_out, command, name=f"command {command.number}")

    def require_held(self, command: TakenCommand, generation: int) -> None:
        """Check that what a command is about is still this host's, under the same lease.

        Raises:
            LeaseLost: It is not: the next holder carries the command out.
        """
        if self.get_generation(command) != generation:
            raise LeaseLost

    def get_generation(self, command: TakenCommand) -> int:
        """The generation of the lease under which a command is carried out.

        Raises:
            LeaseLost: It is not this host's any more.
        """
        return self._membership.holdings.get_lease(LeaseKind(command.kind), command.name).generation

    async def _carry_out(self, command: TakenCommand) -> None:
        handler, found = self._handlers.get(command.verb), list[CommandAnswer]()

        async def work() -> None:
            if handler is None:
                found.append(CommandAnswer(f"This host does not know the command {command.verb!r}.", is_refused=True))
            else:
                found.append(await handler(command))

        with suppress(LeaseLost):
            error = await run_guarded(work, LeaseLost)
            if error is not None:
                what = f"The command crashed on {self._host}, a bug in oddaemon ({type(error).__name__})."
                found.append(CommandAnswer(what, is_refused=True))
            with suppress(StoreError):
                await commands.answer(self._database.turns, self._membership.number, command.number, found[0])
