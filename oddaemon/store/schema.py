"""The tables, as the newest migration creates them.

`balance` holds versions: a row is a guarantor's balance from snapshot `valid_from` on, until snapshot `valid_to`
replaced or cleared it (null: still true). What was true at snapshot n is `valid_from <= n and (valid_to is null or
valid_to > n)`. The key is the order in which offices are read, and the table is only that key's tree (WITHOUT ROWID):
a year of nights of an office of 4,000 guarantors, 8 % of them changing each night, is 6 MB, and any of its nights is
read in 25 ms. The second index prevents two current balances of a guarantor. There are no foreign keys: `publish` is
the only writer, and checking them would cost two look-ups a row.

What is older than the retention period is pruned: `office.history_from` is the snapshot with which an office's history
begins afterwards (null: nothing was pruned). Versions that began earlier and were still true there keep their
`valid_from`.

`delivery` is the outbox: a row for each sink and snapshot, written with the snapshot. A snapshot may be pruned before
it is delivered, so there is no foreign key between the two.

`member`, `lease` and `command` are of a fleet: several daemons on one PostgreSQL. `member` has a row for each daemon
that ever joined; `lease` says which of them has an office, a sink or a role, and its `generation` rises with each
holder. `asked_at`, `open_until` and `not_before` are about the requests to that office, so that a successor is as
polite as its predecessor; no index has a column that changes with each request. `command` is what another daemon asks
the holder to do. SQLite has one daemon, and no rows in them.

`compatibility` has one row: the oldest revision that a program must know in order to write to this database.

In SQLite instants are RFC 3339 text in UTC of one length, so that they sort, and can be read in the sqlite3 shell.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeEngine

from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.store.column_types import IDENTIFIER, KEY, Instant, PeerText

APPLICATION_ID = 0x6F646461
"""SQLite's application id in the file header: "odda"."""

REVISIONS = ("0001", "0002", "0003", "0004")
"""The migrations that this program knows, oldest first. Here, so that opening a database need not load Alembic."""

UNFINISHED_REVISION = "unfinished"
"""In place of the revision: rows are being copied into this database (`oddaemon.store.move`), and some are missing."""


def _make_columns(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind, nullable=False) for name in names]


metadata = MetaData()

office = Table(
    "office",
    metadata,
    Column("key", KEY, Identity(), primary_key=True),
    Column("id", IDENTIFIER, nullable=False, unique=True),
    Column("name", PeerText, nullable=False),
    Column("wanted", Boolean, nullable=False),
    Column("condition", Text),
    Column("since", Instant),
    Column("reason", PeerText),
    Column("owner", Text),
    Column("not_before", Instant),
    Column("state", Text),
    Column("history_from", KEY),
)

pull_page = Table(
    "pull_page",
    metadata,
    Column("number", KEY, Identity(), primary_key=True),
    Column("office", KEY, ForeignKey("office.key"), nullable=False),
    *_make_columns(Text, "balances", "checkpoint"),
    Index("pull_page_office", "office"),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", KEY, Identity(), primary_key=True),
    Column("office", KEY, ForeignKey("office.key"), nullable=False),
    Column("aging_date", Date, nullable=False),
    *_make_columns(Instant, "observed_at", "published_at"),
    Column("reader", Text, nullable=False),
    *_make_columns(Integer, "requests", "guarantors"),
    *_make_columns(BigInteger, *MONEY_COLUMNS, "checksum"),
    *_make_columns(Integer, "new_guarantors", "changed_guarantors", "cleared_guarantors"),
    Column("pull_seconds", Float, nullable=False, server_default="0"),
    Column("late_at", Instant),
    Index("snapshot_office", "office", "id"),
    sqlite_autoincrement=True,
)

journal = Table(
    "journal",
    metadata,
    Column("number", KEY, Identity(), primary_key=True),
    Column("office", KEY, ForeignKey("office.key"), nullable=False),
    Column("at", Instant, nullable=False),
    *_make_columns(Text, "level", "event", "fields"),
    Index("journal_office", "office", "number"),
    sqlite_autoincrement=True,
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("job", Text, primary_key=True),
    Column("seen_at", Instant, nullable=False),
    Column("succeeded_at", Instant),
    Column("result", PeerText, nullable=False),
)

delivery = Table(
    "delivery",
    metadata,
    Column("number", KEY, Identity(), primary_key=True),
    Column("delivery_id", Text, nullable=False, unique=True),
    Column("sink", IDENTIFIER, nullable=False),
    Column("office", KEY, ForeignKey("office.key"), nullable=False),
    Column("snapshot", KEY, nullable=False),
    Column("state", Text, nullable=False),
    Column("queued_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("error", PeerText),
    Column("ended_at", Instant),
    Index("delivery_queue", "sink", "office", "number"),
    sqlite_autoincrement=True,
)

Index(
    "delivery_due",
    delivery.c.sink,
    delivery.c.not_before,
    sqlite_where=text("state = 'due'"),
    postgresql_where=text("state = 'due'"),
)

sink = Table(
    "sink",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("not_before", Instant),
    sqlite_with_rowid=False,
)

balance = Table(
    "balance",
    metadata,
    Column("office", KEY, primary_key=True, autoincrement=False),
    Column("pat_num", BigInteger, primary_key=True, autoincrement=False),
    Column("valid_from", KEY, primary_key=True, autoincrement=False),
    Column("valid_to", KEY),
    *_make_columns(BigInteger, "clinic_num", *MONEY_COLUMNS),
    sqlite_with_rowid=False,
    # A night replaces a small part of the versions: PostgreSQL would wait until a fifth of them is dead.
    postgresql_with={"autovacuum_vacuum_scale_factor": 0.02},
)

Index(
    "balance_current",
    balance.c.office,
    balance.c.pat_num,
    unique=True,
    sqlite_where=text("valid_to IS NULL"),
    postgresql_where=text("valid_to IS NULL"),
)

backfill = Table(
    "backfill",
    metadata,
    Column("number", KEY, Identity(), primary_key=True),
    Column("office", KEY, ForeignKey("office.key"), nullable=False),
    Column("as_of", Date, nullable=False),
    *_make_columns(Text, "via", "query"),
    Column("ordered_at", Instant, nullable=False),
    Column("stage", Text, nullable=False),
    Column("not_before", Instant),
    *_make_columns(Integer, "attempts", "rereads"),
    Column("why", PeerText, nullable=False),
    UniqueConstraint("office", "as_of", name="backfill_day"),
    sqlite_autoincrement=True,
)

backfill_page = Table(
    "backfill_page",
    metadata,
    Column("number", KEY, Identity(), primary_key=True),
    Column("backfill", KEY, ForeignKey("backfill.number"), nullable=False),
    *_make_columns(Text, "balances", "progress"),
    Index("backfill_page_backfill", "backfill"),
)

historical_snapshot = Table(
    "historical_snapshot",
    metadata,
    Column("id", KEY, Identity(), primary_key=True),
    Column("office", KEY, ForeignKey("office.key"), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("via", Text, nullable=False),
    Column("published_at", Instant, nullable=False),
    *_make_columns(Integer, "requests", "guarantors"),
    *_make_columns(BigInteger, *MONEY_COLUMNS, "checksum"),
    UniqueConstraint("office", "as_of", name="historical_snapshot_day"),
    sqlite_autoincrement=True,
)

historical_balance = Table(
    "historical_balance",
    metadata,
    Column("snapshot", KEY, primary_key=True, autoincrement=False),
    Column("pat_num", BigInteger, primary_key=True, autoincrement=False),
    *_make_columns(BigInteger, "clinic_num", *MONEY_COLUMNS),
    sqlite_with_rowid=False,
)

member = Table(
    "member",
    metadata,
    Column("number", KEY, Identity(), primary_key=True),
    *_make_columns(Text, "host", "network"),
    Column("pid", Integer, nullable=False),
    *_make_columns(Text, "version", "revision", "address", "session", "stage"),
    *_make_columns(Instant, "joined_at", "renewed_at", "expires_at"),
    Column("gone_at", Instant),
    Column("gone_why", Text),
    Column("knows", KEY, nullable=False, server_default="0"),
    Column("settings", Text, nullable=False, server_default=""),
    Column("offices", Text, nullable=False, server_default="{}"),
    Column("sinks", Text, nullable=False, server_default="{}"),
    sqlite_autoincrement=True,
)

lease = Table(
    "lease",
    metadata,
    Column("kind", IDENTIFIER, primary_key=True),
    Column("name", IDENTIFIER, primary_key=True),
    Column("holder", KEY, ForeignKey("member.number")),
    Column("generation", KEY, nullable=False, server_default="0"),
    Column("fingerprint", Text),
    *(Column(name, Instant) for name in ("taken_at", "asked_at", "open_until", "not_before")),
    Column("asked_by", KEY),
    Column("spacing_seconds", Float, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
    # Each request updates its row: it stays on its page.
    postgresql_with={"fillfactor": 60},
)

command = Table(
    "command",
    metadata,
    Column("number", KEY, Identity(), primary_key=True),
    *_make_columns(Text, "kind", "name", "verb", "argument"),
    Column("given_at", Instant, nullable=False),
    Column("by_host", Text, nullable=False),
    Column("by_uid", Integer),
    Column("taken_by", KEY),
    Column("taken_at", Instant),
    Column("answered_at", Instant),
    Column("outcome", PeerText),
    Column("is_refused", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)

compatibility = Table("compatibility", metadata, Column("serves_from", Text, primary_key=True))
