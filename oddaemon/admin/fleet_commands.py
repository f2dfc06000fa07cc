"""Commands about offices in a fleet: given on any host, carried out by the one that holds the office.

Each is stored before it is carried out, so that it survives the host that was to do it. A command that was carried out
just before its host went is carried out once: the next host finds that nothing is left to do.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from oddaemon.admin.commands import CommandRejected, Document, RejectionKind, reject_store_error, reject_unknown_office
from oddaemon.admin.office_commands import validate_command
from oddaemon.core.office.state import OfficeCommand
from oddaemon.engine.fleet.command_exchange import CommandExchange
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.offices.worker import Worker
from oddaemon.store.errors import StoreError
from oddaemon.store.fleet.commands import CommandAnswer, TakenCommand

EXAMINE = "examine"
EXAMINE_SECONDS = 900.0
"""A diagnosis at another host sends up to a few dozen requests at the key's spacing."""
WORKER_SECONDS = 5.0
"""An office that was just taken over has its worker by then."""
POLL_SECONDS = 0.05

ExamineFunction = Callable[[str], Awaitable[Document]]
"""Diagnoses an office (its id) here. Raises `CommandRejected`."""


@dataclass(frozen=True, slots=True)
class FleetCommands:
    """Gives commands to the fleet, and carries out those that are this host's."""

    exchange: CommandExchange
    registry: Registry
    fleet: FleetState

    def serve(self, examine: ExamineFunction) -> None:
        """Carry out commands from now on.

        Args:
            examine: Diagnoses an office here.
        """
        for command in OfficeCommand:
            self.exchange.handle(command.value, self._obey)

        async def answer_examination(command: TakenCommand) -> CommandAnswer:
            try:
                return CommandAnswer(json.dumps(await examine(command.name)), is_refused=False)
            except CommandRejected as rejection:
                return _refuse(rejection)

        self.exchange.handle(EXAMINE, answer_examination)

    async def run_office_command(self, command: OfficeCommand, office_id: str, uid: int | None) -> str:
        """Have the holder of an office carry out a command; returns a sentence for the user.

        Raises:
            CommandRejected: It would do nothing, or the database fails.
        """
        answer = await self._ask(office_id, command.value, uid)
        if answer is None:
            return (
                f"The command is stored. The host that holds {office_id} carries it out as soon as it can; "
                "`oddaemon status` shows the result."
            )
        return answer.outcome

    async def examine(self, office_id: str, uid: int | None) -> Document:
        """Have the holder of an office diagnose it.

        Raises:
            CommandRejected: No host has answered, it refused, or the database fails.
        """
        answer = await self._ask(office_id, EXAMINE, uid, EXAMINE_SECONDS)
        if answer is None:
            sentence = f"No host has diagnosed {office_id} within {EXAMINE_SECONDS / 60:.0f} minutes."
            raise CommandRejected(RejectionKind.CONFLICT, sentence, "`oddaemon fleet` shows which host holds it.")
        try:
            document: Document = json.loads(answer.outcome)
        except ValueError:
            sentence = f"The host that holds {office_id} answered in a way that this version does not know."
            raise CommandRejected(RejectionKind.CONFLICT, sentence, "Upgrade all hosts to one version.") from None
        return document

    async def _ask(
        self, office_id: str, verb: str, uid: int | None, seconds: float | None = None
    ) -> CommandAnswer | None:
        try:
            answer = await (
                self.exchange.ask(office_id, verb, uid)
                if seconds is None
                else self.exchange.ask(office_id, verb, uid, seconds)
            )
        except StoreError as error:
            raise reject_store_error(error) from None
        if answer is not None and answer.is_refused:
            sentence, _, advice = answer.outcome.partition("\n")
            raise CommandRejected(RejectionKind.CONFLICT, sentence, advice)
        return answer

    async def _obey(self, taken: TakenCommand) -> CommandAnswer:
        """Carry out a command about an office that is held here; answered once its effect is stored."""
        generation, command = self.exchange.get_generation(taken), OfficeCommand(taken.verb)
        try:
            if (runtime := self.fleet.offices.get(taken.name)) is None:
                raise reject_unknown_office(taken.name, self.fleet.offices)
            worker = await self._find_worker(taken.name)
            sentence = validate_command(command, runtime, at_once=worker.is_waiting)
        except CommandRejected as rejection:
            self.exchange.require_held(taken, generation)
            if taken.was_taken and rejection.kind in {RejectionKind.NOTHING_TO_DO, RejectionKind.CONFLICT}:
                return CommandAnswer("It was carried out by the host that held the office before.", is_refused=False)
            return _refuse(rejection)
        worker.submit(command)
        while command in runtime.commands:
            await anyio.sleep(POLL_SECONDS)
            self.exchange.require_held(taken, generation)
        self.exchange.require_held(taken, generation)
        return CommandAnswer(sentence, is_refused=False)

    async def _find_worker(self, office_id: str) -> Worker:
        with anyio.move_on_after(WORKER_SECONDS):
            while True:
                if (worker := self.registry.get_worker(office_id)) is not None:
                    return worker
                await anyio.sleep(POLL_SECONDS)
        sentence = f"No worker runs for {office_id}: an internal error ended it."
        raise CommandRejected(RejectionKind.CONFLICT, sentence, "`oddaemon reload` starts it again.")


def _refuse(rejection: CommandRejected) -> CommandAnswer:
    return CommandAnswer(f"{rejection.sentence}\n{rejection.advice}", is_refused=True)
