"""Verifies a database on a server: its tables and indexes by the catalog, and then what is stored of every office."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import psycopg as driver_dialect

from oddaemon.store.database import ReadConnection
from oddaemon.store.dialect import make_statement
from oddaemon.store.history.integrity import IntegrityProblem, ProgressCallback, Verification, verify_offices
from oddaemon.store.postgresql.read_connection import open_read_connection
from oddaemon.store.schema import metadata

_DIALECT = driver_dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
_TYPE_NAMES = {"float": "double precision"}
"""Where the catalog calls a type otherwise than the statement that creates it."""

_REVISION = make_statement("SELECT version_num FROM alembic_version")
_COLUMNS = make_statement(
    "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, collname = 'C' AND collname IS NOT NULL "
    "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_collation ON pg_collation.oid = "
    "attcollation WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0 "
    "AND NOT attisdropped"
)
_INDEXES = make_statement(
    "SELECT owner.relname, indisunique, indpred IS NOT NULL, indisvalid AND indisready, "
    "ARRAY(SELECT attname::text FROM unnest(indkey::int2[]) WITH ORDINALITY AS part(number, place) "
    "JOIN pg_attribute ON attrelid = owner.oid AND attnum = part.number ORDER BY place) "
    "FROM pg_index JOIN pg_class AS owner ON owner.oid = indrelid "
    "WHERE owner.relnamespace = current_schema()::regnamespace"
)
_REFERENCES = make_statement(
    "SELECT conrelid::regclass::text, confrelid::regclass::text, convalidated FROM pg_constraint "
    "WHERE connamespace = current_schema()::regnamespace AND contype = 'f'"
)
_HAS_AMCHECK = make_statement("SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck')")
_AMCHECK_ADVICE = (
    "The server's own pages are not read by this: a superuser can check them with "
    "`pg_amcheck --install-missing --heapallindexed DATABASE`."
)

_Index = tuple[str, bool, bool, tuple[str, ...]]
"""Table, whether it is unique and partial, and its columns."""


def verify(url: str, progress: ProgressCallback | None = None) -> Verification:
    """Read and verify everything, with or without running daemons; a standby is enough.

    Raises:
        StoreError: as `open_read_connection`, or the connection is lost.
    """
    with open_read_connection(url) as connection:
        ((revision,),) = connection.fetch(_REVISION, {})
        result = Verification(connection.where, revision)
        result.problems += map(IntegrityProblem, _find_differences(connection))
        verify_offices(connection, result, progress)
        ((has_amcheck,),) = connection.fetch(_HAS_AMCHECK, {})
        result.advice = _AMCHECK_ADVICE if has_amcheck else ""
    return result


def _find_differences(connection: ReadConnection) -> Iterator[str]:
    """How the tables differ from those of the revision. More columns and indexes than those are no harm."""
    columns = {(row[0], row[1]): tuple(row[2:]) for row in connection.fetch(_COLUMNS, {})}
    for table in metadata.sorted_tables:
        for column in table.columns:
            expected = (*_describe_type(column.type), not column.nullable)
            kind, is_required, is_bytewise = columns.get((table.name, column.name), ("", False, False))
            if (kind, is_bytewise or not expected[1], is_required) != (expected[0], True, expected[2]):
                yield f"column {column.name} of table {table.name} differs from that of its revision"
    indexes = {(row[0], row[1], row[2], tuple(row[4])) for row in connection.fetch(_INDEXES, {}) if row[3]}
    for index in _list_expected_indexes():
        if index not in indexes:
            yield f"an index of table {index[0]} on {', '.join(index[3])} is missing or invalid"
    references = {(row[0], row[1]) for row in connection.fetch(_REFERENCES, {}) if row[2]}
    for table in metadata.sorted_tables:
        for constraint in table.constraints:
            if isinstance(constraint, ForeignKeyConstraint):
                target = constraint.referred_table.name
                if (table.name, target) not in references:
                    yield f"the foreign key of table {table.name} to {target} is missing or was not validated"


def _describe_type(kind: Any) -> tuple[str, bool]:  # noqa: ANN401 - a type of SQLAlchemy's, whichever
    """The type as the catalog names it, and whether it is ordered by its bytes."""
    name = str(kind.compile(_DIALECT)).lower()
    plain, _, collation = name.partition(" collate ")
    return _TYPE_NAMES.get(plain, plain), bool(collation)


def _list_expected_indexes() -> Iterator[_Index]:
    for table in metadata.sorted_tables:
        for index in table.indexes:
            predicate = index.dialect_options["postgresql"]["where"]
            yield table.name, bool(index.unique), predicate is not None, tuple(each.name for each in index.columns)
        for constraint in table.constraints:
            if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
                yield table.name, True, False, tuple(each.name for each in constraint.columns)
