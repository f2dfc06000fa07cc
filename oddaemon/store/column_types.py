"""The types of the columns. SQLite holds an instant and a list as text, PostgreSQL as its own types."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import ARRAY, BigInteger, DateTime, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

KEY = BigInteger().with_variant(Integer, "sqlite")
"""A number that a table gives its rows, and a reference to one. SQLite numbers only rows whose key is an `INTEGER`."""
IDENTIFIER = Text().with_variant(Text(collation="C"), "postgresql")
"""A name by which rows are ordered: by its bytes, wherever the database is."""

_encode = msgspec.json.Encoder().encode


class Instant(TypeDecorator[datetime]):
    """An aware instant; in SQLite `2026-01-31T07:00:00.000000Z`."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text of one length in SQLite, so that it sorts; `timestamptz` elsewhere."""
        return self.impl_instance if dialect.name == "sqlite" else dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | datetime | None:
        """Aware datetime to what is stored.

        Raises:
            ValueError: the datetime is naive.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A naive datetime cannot be stored; use an aware one.")
        in_utc = value.astimezone(UTC)
        if dialect.name != "sqlite":
            return in_utc
        return in_utc.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def process_result_value(self, value: str | datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """What is stored to aware datetime."""
        return parse_optional_instant(value)


class PeerText(TypeDecorator[str]):
    """Text that may repeat what a peer wrote. PostgreSQL stores no NUL, so no database does."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Replace each NUL by U+FFFD."""
        return None if value is None else value.replace("\0", "\ufffd")


class ListOf(TypeDecorator[Collection[Any]]):
    """A list as one parameter, for `Dialect.is_listed`: a JSON text in SQLite, an array elsewhere."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text in SQLite, an array elsewhere."""
        return self.impl_instance if dialect.name == "sqlite" else dialect.type_descriptor(ARRAY(self.item))

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> str | list[Any]:
        """The list to what is bound."""
        values = list(value or ())
        return _encode(values).decode() if dialect.name == "sqlite" else values


def parse_instant(stored: str | datetime) -> datetime:
    """The instant of a column, as a driver returns it.

    Raises:
        ValueError, TypeError: it cannot have been stored by this program.
    """
    return stored.astimezone(UTC) if isinstance(stored, datetime) else datetime.fromisoformat(stored)


def parse_optional_instant(stored: str | datetime | None) -> datetime | None:
    """The instant of a column that may be null."""
    return None if stored is None else parse_instant(stored)


def parse_date(stored: str | date) -> date:
    """The date of a column, as a driver returns it.

    Raises:
        ValueError, TypeError: it cannot have been stored by this program.
    """
    return stored if isinstance(stored, date) else date.fromisoformat(stored)
