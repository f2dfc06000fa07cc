"""The members of the fleet: one row for each daemon, from its start to its end.

All instants are of the database's clock. That a member is gone is written by another one (`mark_gone`), or by itself,
and its row never comes to life again: a renewal finds nothing to renew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from oddaemon.core.fleet.member import Departure, Member, Stage
from oddaemon.store.column_types import parse_instant, parse_optional_instant
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import decoding_errors
from oddaemon.store.fleet.connection import StatementRunner
from oddaemon.store.values import encode_json

CHANNEL = "oddaemon"
"""Where a member notifies the others that something has changed: it came, it gave something back, or it asks for
something."""
GONE_SECONDS = 3600
"""How long a member that is gone is still listed."""

_decode_fingerprints = lru_cache(maxsize=64)(msgspec.json.Decoder(dict[str, str]).decode)

_JOIN = make_statement(
    "INSERT INTO member (host, network, pid, version, revision, address, session, stage, joined_at, renewed_at,"
    " expires_at, settings, offices, sinks) "
    "SELECT :host, :network, :pid, :version, :revision, :address, :session, 'joining', present.at, present.at,"
    " present.at + CAST(:lease_seconds AS float8) * interval '1 second', :settings, :offices, :sinks "
    "FROM (SELECT clock_timestamp() AS at) AS present RETURNING number, joined_at"
)
_RENEW = make_statement(
    "UPDATE member SET renewed_at = present.at,"
    " expires_at = present.at + CAST(:lease_seconds AS float8) * interval '1 second',"
    " knows = greatest(knows, :knows), stage = CASE WHEN stage = 'draining' THEN stage ELSE :stage END "
    "FROM (SELECT clock_timestamp() AS at) AS present "
    "WHERE number = :number AND stage <> 'gone' AND expires_at > present.at RETURNING renewed_at"
)
_SAVE_CONFIG = make_statement(
    "UPDATE member SET settings = :settings, offices = :offices, sinks = :sinks WHERE number = :number"
)
_MARK_GONE = make_statement(
    "UPDATE member SET stage = 'gone', gone_at = clock_timestamp(), gone_why = 'expired' WHERE number IN ("
    "SELECT number FROM member WHERE stage <> 'gone' AND expires_at < clock_timestamp() "
    "ORDER BY number FOR UPDATE SKIP LOCKED) RETURNING number, host, session"
)
_DRAIN = make_statement("UPDATE member SET stage = 'draining' WHERE number = :number AND stage <> 'gone'")
_NOTIFY = make_statement(f"NOTIFY {CHANNEL}")
_LEAVE = make_statement(
    "UPDATE member SET stage = 'gone', gone_at = clock_timestamp(), gone_why = :why "
    "WHERE number = :number AND stage <> 'gone'"
)
_TERMINATE = make_statement(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = :session AND datname = current_database() AND usename = current_user"
)
_LIST = make_statement(
    "SELECT number, host, network, stage, joined_at, renewed_at, expires_at, knows, gone_at, settings, offices, sinks,"  # noqa: S608 - our own number
    " version, revision, address, gone_why, clock_timestamp() FROM member "
    f"WHERE stage <> 'gone' OR gone_at > clock_timestamp() - interval '{GONE_SECONDS} seconds'"
    " OR number IN (SELECT holder FROM lease) ORDER BY number"
)
_FORGET_OLD = make_statement(
    "DELETE FROM member WHERE stage = 'gone' AND gone_at < clock_timestamp() - interval '30 days' "
    "AND number NOT IN (SELECT holder FROM lease WHERE holder IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class NewMember:
    """A daemon that joins."""

    host: str
    network: str
    pid: int
    version: str
    revision: str
    """The newest revision of the tables that it knows."""
    address: str
    """Where its pages are served; empty: nowhere."""
    session: str
    """The name under which the server lists its connections."""
    settings: str = ""
    """The fingerprint of the settings that the hosts share."""
    offices: Mapping[str, str] = field(default_factory=dict)
    """The configured offices, each with the fingerprint of its settings."""
    sinks: Mapping[str, str] = field(default_factory=dict)
    """The sinks that may run on the host, each with the fingerprint of its settings."""


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member, and what people want to know of it beside it."""

    member: Member
    version: str
    revision: str
    address: str


@dataclass(frozen=True, slots=True)
class MemberList:
    """The members at one instant."""

    rows: tuple[MemberRow, ...]
    at: datetime
    """By the database's clock."""

    @property
    def members(self) -> tuple[Member, ...]:
        """Those that are there, and those that are gone for less than an hour or still hold a lease."""
        return tuple(row.member for row in self.rows)


async def join(connection: StatementRunner, new: NewMember, lease_seconds: float) -> tuple[int, datetime]:
    """Become a member. Returns its number, and the instant."""
    values = {
        "host": new.host,
        "network": new.network,
        "pid": new.pid,
        "version": new.version,
        "revision": new.revision,
        "address": new.address,
        "session": new.session,
        "settings": new.settings,
        "offices": encode_json(new.offices),
        "sinks": encode_json(new.sinks),
        "lease_seconds": lease_seconds,
    }
    ((number, at),) = await connection.execute(_JOIN, values)
    return number, parse_instant(at)


async def renew(
    connection: StatementRunner, number: int, stage: Stage, knows: int, lease_seconds: float
) -> datetime | None:
    """Stay a member for another lease. Returns the instant; None: it is gone, or its time was over."""
    values = {"number": number, "stage": stage.value, "knows": knows, "lease_seconds": lease_seconds}
    found = await connection.execute(_RENEW, values)
    return parse_instant(found[0][0]) if found else None


async def save_config(
    connection: StatementRunner,
    number: int,
    settings: str,
    offices: Mapping[str, str],
    sinks: Mapping[str, str],
) -> None:
    """Write which configuration a member has now, as `NewMember` describes it."""
    values = {
        "number": number,
        "settings": settings,
        "offices": encode_json(offices),
        "sinks": encode_json(sinks),
    }
    await connection.execute(_SAVE_CONFIG, values)


async def mark_gone(connection: StatementRunner) -> list[tuple[int, str]]:
    """Write that each member whose time is over is gone, and end its connections. Returns number and host of each.

    A member that was stopped inside a transaction would keep its rows locked otherwise. Without the right to end
    connections of its own role, which each role has, the server ends an idle transaction by itself after a few seconds.
    """
    gone = await connection.execute(_MARK_GONE, {})
    for _, _, session in gone:
        await connection.execute(_TERMINATE, {"session": session})
    return [(number, host) for number, host, _ in gone]


async def begin_drain(connection: StatementRunner, number: int) -> None:
    """Write that a member takes nothing any more and gives back what it has."""
    await connection.execute(_DRAIN, {"number": number})


async def notify(connection: StatementRunner) -> None:
    """Have the other members look now. Rare things only: a commit with a notification waits for all others."""
    await connection.execute(_NOTIFY, {})


async def leave(connection: StatementRunner, number: int, why: Departure) -> None:
    """Write that a member is gone: at the end of a drain, or by the process that it was."""
    await connection.execute(_LEAVE, {"number": number, "why": why.value})


async def list_members(connection: StatementRunner) -> MemberList:
    """Who is there, who has gone within the hour, and who is gone and still holds a lease.

    Raises:
        DatabaseDamaged: A row cannot be read: this program cannot have stored it.
        DatabaseUnusable: The database fails.
    """
    rows = await connection.execute(_LIST, {})
    at = parse_instant(rows[0][-1]) if rows else datetime.min.replace(tzinfo=UTC)
    with decoding_errors("of the fleet"):
        return MemberList(tuple(map(_parse_member, rows)), at)


async def forget_old(connection: StatementRunner) -> None:
    """Delete the rows of members that have been gone for a month."""
    await connection.execute(_FORGET_OLD, {})


def _parse_member(row: Sequence[Any]) -> MemberRow:
    number, host, network, stage, joined_at, renewed_at, expires_at, knows, gone_at, settings, *rest = row
    offices, sinks, version, revision, address, gone_why, _ = rest
    member = Member(
        number=number,
        host=host,
        network=network,
        stage=Stage(stage),
        joined_at=parse_instant(joined_at),
        renewed_at=parse_instant(renewed_at),
        expires_at=parse_instant(expires_at),
        knows=knows,
        gone_at=parse_optional_instant(gone_at),
        departure=None if gone_why is None else Departure(gone_why),
        settings=settings,
        offices=_decode_fingerprints(offices),
        sinks=_decode_fingerprints(sinks),
    )
    return MemberRow(member, version, revision, address)
