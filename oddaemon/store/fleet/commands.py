"""Commands that were given on one host and are another one's to carry out.

A command stands until it is answered. The member that holds its office takes it, carries it out, and answers. If the
office goes to another member before that, so does the command.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text

from oddaemon.store.column_types import ListOf, PeerText
from oddaemon.store.dialect import make_statement
from oddaemon.store.fleet.connection import StatementRunner

_GIVE = make_statement(
    "INSERT INTO command (kind, name, verb, argument, given_at, by_host, by_uid) "
    "VALUES (:kind, :name, :verb, :argument, clock_timestamp(), :host, :uid) RETURNING number"
)
_TAKE = make_statement(
    """
WITH mine AS (
    SELECT command.number, command.taken_at FROM command
    JOIN lease ON lease.kind = command.kind AND lease.name = command.name AND lease.holder = :number
    WHERE command.answered_at IS NULL AND command.taken_by IS DISTINCT FROM :number
    ORDER BY command.number FOR UPDATE OF command SKIP LOCKED
)
UPDATE command SET taken_by = :number, taken_at = clock_timestamp() FROM mine WHERE command.number = mine.number
RETURNING command.number, command.kind, command.name, command.verb, command.argument, command.by_host,
    command.by_uid, mine.taken_at IS NOT NULL
"""
)
_RELEASE = make_statement(
    "UPDATE command SET taken_by = NULL "
    "WHERE kind = :kind AND name IN (SELECT unnest(:names)) AND taken_by = :member AND answered_at IS NULL",
    names=ListOf(Text()),
)
_ANSWER = make_statement(
    "UPDATE command SET answered_at = clock_timestamp(), outcome = :outcome, is_refused = :is_refused "
    "WHERE number = :number AND taken_by = :member AND answered_at IS NULL",
    outcome=PeerText(),
)
_FIND_ANSWER = make_statement(
    "SELECT outcome, is_refused FROM command WHERE number = :number AND answered_at IS NOT NULL"
)
_FORGET_OLD = make_statement(
    "DELETE FROM command WHERE given_at < clock_timestamp() - interval '30 days' AND answered_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command as it is given."""

    kind: str
    """That of the lease whose holder carries it out."""
    name: str
    verb: str
    argument: str
    host: str
    uid: int | None
    """The user; None: unknown."""


@dataclass(frozen=True, slots=True)
class TakenCommand:
    """A command that this member carries out."""

    number: int
    kind: str
    name: str
    verb: str
    argument: str
    host: str
    """Where it was given."""
    uid: int | None
    was_taken: bool
    """It was taken before, and was not answered: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What became of a command."""

    outcome: str
    is_refused: bool


async def give(connection: StatementRunner, command: NewCommand) -> int:
    """Store a command. Returns its number."""
    values = {
        "kind": command.kind,
        "name": command.name,
        "verb": command.verb,
        "argument": command.argument,
        "host": command.host,
        "uid": command.uid,
    }
    ((number,),) = await connection.execute(_GIVE, values)
    return int(number)


async def take(connection: StatementRunner, member: int) -> list[TakenCommand]:
    """Take the open commands for what a member holds, in the order in which they were given."""
    rows = await connection.execute(_TAKE, {"number": member})
    return sorted(map(_parse_command, rows), key=lambda command: command.number)


async def release(connection: StatementRunner, member: int, kind: str, names: Collection[str]) -> None:
    """Leave the open commands for these leases to the next holder."""
    await connection.execute(_RELEASE, {"member": member, "kind": kind, "names": list(names)})


async def answer(connection: StatementRunner, member: int, number: int, given: CommandAnswer) -> None:
    """Store what became of a command that this member took."""
    values = {"number": number, "member": member, "outcome": given.outcome, "is_refused": given.is_refused}
    await connection.execute(_ANSWER, values)


async def find_answer(connection: StatementRunner, number: int) -> CommandAnswer | None:
    """The answer to a command; None: there is none yet."""
    found = await connection.execute(_FIND_ANSWER, {"number": number})
    return CommandAnswer(*found[0]) if found else None


async def forget_old(connection: StatementRunner) -> None:
    """Delete what was answered a month ago."""
    await connection.execute(_FORGET_OLD, {})


def _parse_command(row: Sequence[Any]) -> TakenCommand:
    return TakenCommand(*row)
