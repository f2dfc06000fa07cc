"""The tables in a consumer's PostgreSQL, as a list of migrations, oldest first, and the statements of a delivery.

`balance` has the current balances, `change` all changes, `snapshot` one row for each delivery: a repeated delivery is
recognised by its `delivery_id`. `last_seen` of a cleared guarantor is the aging date of the previous delivery, the last
one that had them. Money is numeric with two places.
"""

from oddaemon.core.model import MONEY_COLUMNS, Balance
from oddaemon.core.snapshot.missing_columns import OPTIONAL_COLUMNS

MONEY = "numeric(19, 2)"
COLUMNS = Balance._fields[1:]
"""All but `pat_num`."""


def _build_columns(prefix: str = "", null: str = " NOT NULL") -> str:
    columns = [f"{prefix}clinic_num bigint{null}", *(f"{prefix}{name} {MONEY}{null}" for name in MONEY_COLUMNS)]
    return ",\n    ".join(columns)


MIGRATIONS: tuple[str, ...] = (
    f"""
    CREATE TABLE {{schema}}.snapshot (
        delivery_id text PRIMARY KEY,
        office text NOT NULL,
        office_name text NOT NULL,
        snapshot_id bigint NOT NULL,
        aging_date date NOT NULL,
        observed_at timestamptz NOT NULL,
        published_at timestamptz NOT NULL,
        delivered_at timestamptz NOT NULL DEFAULT now(),
        guarantors integer NOT NULL,
        {", ".join(f"{name} {MONEY} NOT NULL" for name in MONEY_COLUMNS)}
    );
    CREATE INDEX snapshot_office ON {{schema}}.snapshot (office, delivered_at);
    CREATE TABLE {{schema}}.balance (
        office text NOT NULL,
        pat_num bigint NOT NULL,
        {_build_columns()},
        PRIMARY KEY (office, pat_num)
    );
    CREATE TABLE {{schema}}.change (
        delivery_id text NOT NULL REFERENCES {{schema}}.snapshot,
        office text NOT NULL,
        aging_date date NOT NULL,
        change text NOT NULL CHECK (change IN ('new', 'changed', 'cleared')),
        pat_num bigint NOT NULL,
        {_build_columns(null="")},
        {_build_columns("was_", null="")},
        PRIMARY KEY (delivery_id, pat_num)
    );
    CREATE INDEX change_office ON {{schema}}.change (office, pat_num);
    """,
    """
    ALTER TABLE {schema}.change ADD COLUMN last_seen date;
    ALTER TABLE {schema}.balance ALTER COLUMN clinic_num DROP NOT NULL, ALTER COLUMN est_balance DROP NOT NULL;
    ALTER TABLE {schema}.snapshot ALTER COLUMN est_balance DROP NOT NULL;
    """,
)

CREATE_STAGING = f"""
CREATE TEMPORARY TABLE pg_temp.staging (
    pat_num bigint,
    {", ".join(f"{name} bigint" for name in COLUMNS)}
) ON COMMIT DROP
"""
"""Money in cents: COPY takes integers, and nothing is rounded on the way. Without an index, which would take as long as
the rows themselves and is never searched; a guarantor that came twice shows in the counts."""

COPY_STAGING = f"COPY pg_temp.staging ({', '.join(Balance._fields)}) FROM STDIN"

SET_LIMITS = """
SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
    set_config('client_min_messages', 'error', true), set_config('enable_nestloop', 'off', true)
"""
"""For one transaction. oddaemon reads no notices, and a trigger may raise one for each row. The planner knows nothing
about the rows of a new table: where it guesses few, it would scan them once for each row of the other one."""

IS_ROW_SECURITY_ACTIVE = """
SELECT coalesce(bool_or(row_security_active(pg_class.oid)), false)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind = 'r'
"""
"""Whether row-level security applies to this user on any table of the schema."""

_NOW = ", ".join(["clinic_num", *(f"{name} / 100.0 AS {name}" for name in MONEY_COLUMNS)])
_LATER = ", ".join(f"later.{name}" for name in COLUMNS)
_EARLIER = ", ".join(f"earlier.{name}" for name in COLUMNS)
_BOTH = ", ".join(
    f"CASE WHEN {{1}}.pat_num IS NULL OR {{1}}.{name} IS NOT NULL THEN {{0}}.{name} END"
    if name in OPTIONAL_COLUMNS
    else f"{{0}}.{name}"
    for name in COLUMNS
)
"""One side, as far as the other side has the column, too."""
_WAS = ", ".join(f"was_{name}" for name in COLUMNS)
_NAMES = ", ".join(COLUMNS)

INSERT_SNAPSHOT = f"""
INSERT INTO {{schema}}.snapshot (
    delivery_id, office, office_name, snapshot_id, aging_date, observed_at, published_at, guarantors,
    {", ".join(MONEY_COLUMNS)}
)
SELECT $1, $2, $3, $4, $5, $6, $7, count(*),
    {", ".join(f"CASE WHEN count(*) = 0 THEN 0 ELSE sum({name}) / 100.0 END" for name in MONEY_COLUMNS)}
FROM pg_temp.staging ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own names
"""Inserts nothing for a known delivery."""

INSERT_CHANGES = f"""
INSERT INTO {{schema}}.change (delivery_id, office, aging_date, change, pat_num, {_NAMES}, {_WAS}, last_seen)
SELECT $1, $2, $3,
    CASE WHEN earlier.pat_num IS NULL THEN 'new' WHEN later.pat_num IS NULL THEN 'cleared' ELSE 'changed' END,
    coalesce(later.pat_num, earlier.pat_num), {_LATER}, {_EARLIER},
    CASE WHEN later.pat_num IS NULL THEN (
        SELECT aging_date FROM {{schema}}.snapshot WHERE office = $2 AND delivery_id <> $1
        ORDER BY delivered_at DESC, snapshot_id DESC LIMIT 1
    ) END
FROM (SELECT pat_num, {_NOW} FROM pg_temp.staging) AS later
FULL JOIN (SELECT pat_num, {_NAMES} FROM {{schema}}.balance WHERE office = $2) AS earlier USING (pat_num)
WHERE ({_BOTH.format("later", "earlier")}) IS DISTINCT FROM ({_BOTH.format("earlier", "later")})
"""  # noqa: S608 - our own names
"""A column that only one of the two has is not compared."""

_SET_OPTIONAL_COLUMNS = f"""
UPDATE {{schema}}.balance AS held SET {", ".join(f"{name} = later.{name}" for name in OPTIONAL_COLUMNS)}
FROM (SELECT pat_num, {_NOW} FROM pg_temp.staging) AS later
WHERE held.office = $1 AND held.pat_num = later.pat_num
"""  # noqa: S608 - our own names

UPDATE_OPTIONAL_COLUMNS = f"""{_SET_OPTIONAL_COLUMNS}
AND ({", ".join(f"held.{name} IS NULL" for name in OPTIONAL_COLUMNS)})
    IS DISTINCT FROM ({", ".join(f"later.{name} IS NULL" for name in OPTIONAL_COLUMNS)})
"""
"""Updates the optional columns of unchanged guarantors, too, where one snapshot has them and the other has not."""

FILL_OPTIONAL_COLUMNS = f"""{_SET_OPTIONAL_COLUMNS}
AND ({" OR ".join(f"held.{name} IS NULL" for name in OPTIONAL_COLUMNS)})
"""
"""The same for a snapshot that has all columns: only rows that lack one are joined, and there are hardly ever any."""

DELETE_CHANGED = """
DELETE FROM {schema}.balance WHERE office = $2
AND pat_num IN (SELECT pat_num FROM {schema}.change WHERE delivery_id = $1)
"""

INSERT_BALANCES = f"""
INSERT INTO {{schema}}.balance (office, pat_num, {_NAMES})
SELECT $2, pat_num, {_NAMES} FROM {{schema}}.change WHERE delivery_id = $1 AND change <> 'cleared'
"""  # noqa: S608 - our own names

SUM_BALANCES = f"""
SELECT (SELECT count(*) FROM {{schema}}.snapshot WHERE delivery_id = $2 AND guarantors = $3), count(*),
    {", ".join(f"coalesce(sum({name}), 0)" for name in MONEY_COLUMNS)}
FROM {{schema}}.balance WHERE office = $1
"""  # noqa: S608 - our own names
"""Compared with the snapshot's totals before the commit: the sums of the office's balances. The first column says
whether the delivery itself can be read, and has as many rows as the snapshot has guarantors."""
