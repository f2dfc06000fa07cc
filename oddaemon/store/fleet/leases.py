"""The leases of the fleet, and the permits of requests on them.

Each function is a single statement, so no lease is locked for longer than the database takes for it. All instants are
of the database's clock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Text

from oddaemon.core.fleet.lease import REQUEST_SECONDS_MAX, Lease, LeaseKind
from oddaemon.store.column_types import ListOf, parse_instant, parse_optional_instant
from oddaemon.store.dialect import make_statement
from oddaemon.store.fleet.connection import StatementRunner

_KINDS = frozenset(LeaseKind)
"""A newer version beside this one may have others."""
_COLUMNS = ", ".join(
    f"lease.{name}"
    for name in ("kind", "name", "holder", "generation", "fingerprint", "asked_at", "open_until", "asked_by")
) + ", lease.not_before, lease.spacing_seconds"  # fmt: skip

_ADD = make_statement(
    "INSERT INTO lease (kind, name) SELECT :kind, added.name FROM unnest(:names) AS added (name) "
    "ON CONFLICT (kind, name) DO NOTHING",
    names=ListOf(Text()),
)
_LIST_OPEN = make_statement(
    f"SELECT {_COLUMNS} FROM lease LEFT JOIN member ON member.number = lease.holder "  # noqa: S608 - our own column names
    "WHERE lease.holder IS NULL OR member.stage = 'gone' OR lease.open_until > clock_timestamp() AND lease.asked_by "
    "IN (SELECT number FROM member WHERE stage = 'gone')"
)
_LIST_HOLDERS = make_statement(
    "SELECT lease.kind, lease.name, lease.holder, lease.taken_at FROM lease WHERE lease.holder IS NOT NULL"
)
_TAKE = make_statement(
    f"""
WITH wanted AS (
    SELECT wanted.name, wanted.fingerprint FROM unnest(:names, :fingerprints) AS wanted (name, fingerprint)
), free AS (
    SELECT lease.name FROM lease LEFT JOIN member ON member.number = lease.holder
    WHERE lease.kind = :kind AND lease.name IN (SELECT wanted.name FROM wanted)
        AND (member.number IS NULL OR member.stage = 'gone')
    ORDER BY lease.name FOR UPDATE OF lease SKIP LOCKED
)
UPDATE lease SET holder = :number, generation = lease.generation + 1, taken_at = clock_timestamp(),
    fingerprint = wanted.fingerprint,
    open_until = CASE WHEN lease.asked_by IN (SELECT unnest(:ended)) AND NOT lease.name IN (SELECT unnest(:cut))
        THEN NULL ELSE lease.open_until END
FROM free JOIN wanted ON wanted.name = free.name
WHERE lease.kind = :kind AND lease.name = free.name
    AND EXISTS (SELECT 1 FROM member WHERE member.number = :number AND member.stage = 'working')
RETURNING {_COLUMNS}
""",  # noqa: S608 - our own column names
    names=ListOf(Text()),
    fingerprints=ListOf(Text()),
    ended=ListOf(Integer()),
    cut=ListOf(Text()),
)
_GIVE_BACK = make_statement(
    "UPDATE lease SET holder = NULL WHERE kind = :kind AND name IN (SELECT unnest(:names)) AND holder = :number "
    "AND (open_until IS NULL OR open_until <= clock_timestamp()) RETURNING name",
    names=ListOf(Text()),
)
_MARK_FINGERPRINTS = make_statement(
    "UPDATE lease SET fingerprint = changed.fingerprint, spacing_seconds = 0 "
    "FROM unnest(:names, :fingerprints) AS changed (name, fingerprint) WHERE lease.kind = :kind "
    "AND lease.name = changed.name AND lease.holder = :number AND lease.fingerprint <> changed.fingerprint",
    names=ListOf(Text()),
    fingerprints=ListOf(Text()),
)
_PERMIT = make_statement(
    f"""
UPDATE lease SET asked_at = present.at, open_until = present.at + interval '{REQUEST_SECONDS_MAX} seconds',
    asked_by = :number, spacing_seconds = greatest(spacing_seconds, :spacing)
FROM (SELECT clock_timestamp() AS at) AS present
WHERE kind = 'office' AND name = :name AND holder = :number AND generation = :generation
    AND (open_until IS NULL OR open_until <= present.at)
    AND (asked_at IS NULL OR asked_at <= present.at
        - greatest(spacing_seconds, CAST(:spacing AS float8)) * interval '1 second')
    AND (not_before IS NULL OR not_before <= present.at)
    AND EXISTS (SELECT 1 FROM member WHERE number = :number AND stage <> 'gone' AND stage <> 'joining'
        AND expires_at > present.at)
RETURNING present.at
"""  # noqa: S608 - our own number
)
_END = make_statement(
    "UPDATE lease SET open_until = NULL, not_before = greatest(not_before, CAST(:not_before AS timestamptz)),"
    " asked_at = greatest(asked_at, clock_timestamp() - CAST(:age_seconds AS float8) * interval '1 second') "
    "WHERE kind = 'office' AND name = :name AND holder = :number AND generation = :generation"
)
_FIND = make_statement(
    f"SELECT {_COLUMNS}, clock_timestamp() FROM lease WHERE kind = :kind AND name = :name"  # noqa: S608 - our own column names
)
FENCE = make_statement(
    "SELECT 1 FROM lease "
    "WHERE kind = :kind AND name = :name AND holder = :number AND generation = :generation FOR SHARE"
)
"""The first statement of each write on a lease: no row, no write. Until the transaction ends no other member can take
the lease, nor begin a sink with the office; the latter waits with a weaker lock, which `FOR KEY SHARE` would not stop.
"""


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds a lease, for people."""

    kind: LeaseKind
    name: str
    holder: int
    taken_at: datetime


async def add(connection: StatementRunner, kind: LeaseKind, names: Collection[str]) -> None:
    """Make the leases that do not exist yet; the others stay as they are."""
    if names:
        await connection.execute(_ADD, {"kind": kind.value, "names": sorted(names)})


async def list_open(connection: StatementRunner) -> list[Lease]:
    """The leases that no living member holds, and those with a request of a member that is gone."""
    return [_parse_lease(row) for row in await connection.execute(_LIST_OPEN, {}) if row[0] in _KINDS]


async def list_holders(connection: StatementRunner) -> list[Holding]:
    """Who holds what; a holder may be gone."""
    rows = await connection.execute(_LIST_HOLDERS, {})
    return [
        Holding(LeaseKind(kind), name, holder, parse_instant(at)) for kind, name, holder, at in rows if kind in _KINDS
    ]


async def take(
    connection: StatementRunner,
    number: int,
    kind: LeaseKind,
    fingerprints: Mapping[str, str],
    *,
    ended: Collection[int] = (),
    cut: Collection[str] = (),
) -> list[Lease]:
    """Take free leases of one kind for a member; those that another one was faster to take are left out.

    Args:
        connection: of the member.
        number: the member's.
        kind: of the leases.
        fingerprints: the leases to take, each with the fingerprint of the settings under which it is held.
        ended: numbers of previous members of this process: it knows that nothing of theirs is under way,
        cut: except for these offices, whose requests it cut off.
    """
    if not fingerprints:
        return []
    names = sorted(fingerprints)
    values = {
        "kind": kind.value,
        "number": number,
        "names": names,
        "fingerprints": [fingerprints[name] for name in names],
        "ended": list(ended),
        "cut": list(cut),
    }
    return [_parse_lease(row) for row in await connection.execute(_TAKE, values)]


async def give_back(connection: StatementRunner, number: int, kind: LeaseKind, names: Collection[str]) -> list[str]:
    """Give leases back. Returns those that were given: one with a request under way stays."""
    if not names:
        return []
    values = {"kind": kind.value, "names": list(names), "number": number}
    return [name for (name,) in await connection.execute(_GIVE_BACK, values)]


async def mark_fingerprints(
    connection: StatementRunner, number: int, kind: LeaseKind, fingerprints: Mapping[str, str]
) -> None:
    """Write that a member holds these leases under other settings now, which may have a shorter spacing, too."""
    if fingerprints:
        names = sorted(fingerprints)
        values = {
            "kind": kind.value,
            "number": number,
            "names": names,
            "fingerprints": [fingerprints[name] for name in names],
        }
        await connection.execute(_MARK_FINGERPRINTS, values)


async def give_permit(connection: StatementRunner, number: int, lease: Lease, spacing_seconds: float) -> bool:
    """Permit a request to an office, for `REQUEST_SECONDS_MAX` at most. False: not now, or not under this lease."""
    values = {"number": number, "name": lease.name, "generation": lease.generation, "spacing": spacing_seconds}
    return bool(await connection.execute(_PERMIT, values))


async def end_request(
    connection: StatementRunner,
    number: int,
    lease: Lease,
    age_seconds: float | None = None,
    not_before: datetime | None = None,
) -> None:
    """Write that the request has ended.

    Args:
        connection: of the member.
        number: the member's.
        lease: the office's.
        age_seconds: how long ago it was sent, which may be long after its permit; None: it was not sent.
        not_before: the end of the wait that its response asked for.
    """
    values = {
        "number": number,
        "name": lease.name,
        "generation": lease.generation,
        "age_seconds": age_seconds,
        "not_before": not_before,
    }
    await connection.execute(_END, values)


async def find(connection: StatementRunner, kind: LeaseKind, name: str) -> tuple[Lease, datetime] | None:
    """A lease as it is, and the instant; None: there is none."""
    found = await connection.execute(_FIND, {"kind": kind.value, "name": name})
    return (_parse_lease(found[0][:-1]), parse_instant(found[0][-1])) if found else None


def _parse_lease(row: Sequence[Any]) -> Lease:
    kind, name, holder, generation, fingerprint, asked_at, open_until, asked_by, not_before, spacing_seconds = row
    return Lease(
        kind=LeaseKind(kind),
        name=name,
        holder=holder,
        generation=generation,
        fingerprint=fingerprint,
        asked_at=parse_optional_instant(asked_at),
        open_until=parse_optional_instant(open_until),
        asked_by=asked_by,
        not_before=parse_optional_instant(not_before),
        spacing_seconds=spacing_seconds,
    )
