"""Reads what people and programs want to know of a fleet, also where the database is open for reading only."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import TextClause

from oddaemon.core.fleet.agreement import list_differences
from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.core.fleet.member import Member
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary, OfficeHolder, Replication, find_holders
from oddaemon.core.fleet.placement import count_unheld
from oddaemon.store.column_types import parse_instant
from oddaemon.store.database import Database
from oddaemon.store.dialect import make_statement
from oddaemon.store.fleet import leases, members
from oddaemon.store.fleet.members import GONE_SECONDS, MemberRow

_REPLICATION = make_statement(
    "SELECT current_setting('synchronous_standby_names') <> ''"
    " AND current_setting('synchronous_commit') NOT IN ('off', 'local'),"
    " count(*), count(state), coalesce(max(extract(epoch FROM replay_lag)), 0)::float8, clock_timestamp()"
    " FROM pg_stat_replication"
)
"""A role without the right to see it has no state of any standby, and no lag."""


@dataclass(frozen=True, slots=True)
class _ReadingRunner:
    """As `StatementRunner`, on the connection that reads."""

    database: Database

    async def execute(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return await self.database.fetch(statement, values, tuple)


async def read_overview(database: Database, host: str = "", number: int | None = None) -> FleetOverview:
    """The fleet as its rows describe it.

    Args:
        database: On PostgreSQL.
        host: The host that looks.
        number: Its member.

    Raises:
        StoreError: The database fails.
    """
    runner = _ReadingRunner(database)
    replication, at = await _read_server(database)
    found = await members.list_members(runner)
    held = [each for each in await leases.list_holders(runner) if each.kind is LeaseKind.OFFICE]
    holders = find_holders(found.members, ((each.name, each.holder, each.taken_at) for each in held))
    counts = Counter(member.number for member, _ in holders.values())
    rows = [_summarize_member(row, counts[row.member.number]) for row in found.rows]
    just_gone = at - timedelta(seconds=GONE_SECONDS)
    return FleetOverview(
        at=at,
        host=host,
        number=number,
        members=tuple(sorted((row for row in rows if row.gone_at is None), key=lambda row: (row.host, row.number))),
        gone=tuple(sorted((row for row in rows if (row.gone_at or just_gone) > just_gone), key=_get_end, reverse=True)),
        holders={office: OfficeHolder(member.host, since) for office, (member, since) in holders.items()},
        unheld=count_unheld(found.members, await leases.list_open(runner)),
        differences=tuple(list_differences(found.members)),
        replication=replication,
    )


async def read_members(database: Database) -> tuple[Member, ...]:
    """The members with their configurations, and those that have gone.

    Raises:
        StoreError: The database fails.
    """
    return (await members.list_members(_ReadingRunner(database))).members


async def read_replication(database: Database) -> Replication:
    """What the server says of its standbys.

    Raises:
        StoreError: The database fails.
    """
    return (await _read_server(database))[0]


async def _read_server(database: Database) -> tuple[Replication, datetime]:
    ((is_synchronous, standbys, shown, lag_seconds, at),) = await database.fetch(_REPLICATION, {}, tuple)
    return Replication(standbys, is_synchronous, lag_seconds if shown else None), parse_instant(at)


def _get_end(member: MemberSummary) -> datetime:
    return member.gone_at or member.expires_at


def _summarize_member(row: MemberRow, offices: int) -> MemberSummary:
    member = row.member
    return MemberSummary(
        number=member.number,
        host=member.host,
        stage=member.stage,
        version=row.version,
        network=member.network,
        address=row.address,
        joined_at=member.joined_at,
        renewed_at=member.renewed_at,
        expires_at=member.expires_at,
        settings=member.settings,
        offices=offices,
        gone_at=member.gone_at,
        departure=row.member.departure,
    )
