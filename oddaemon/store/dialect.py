"""What differs between databases in the statements of the tables' modules, and nothing else does.

A statement is SQLAlchemy's own, or a text with named parameters. One that a dialect completes is a `DialectStatement`.
"""

from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.types import TypeEngine


class Dialect(Protocol):
    """The parts of a statement that each database writes in its own way."""

    def make_json_array(self, values: str) -> str:
        """An expression: these expressions, separated by commas, as one JSON array."""
        ...

    def make_json_rows(self, row: str, source: str) -> str:
        """A query: `row`, an expression, of each row of the query `source`, in its order, as one JSON text."""
        ...

    def measure_json(self, column: str) -> str:
        """An expression: how many items the JSON array in a column has."""
        ...

    def is_listed(self, column: str, parameter: str) -> str:
        """A condition: the column is one of a list, which is bound as `ListOf` to this parameter."""
        ...


class DialectStatement:
    """A statement that a dialect completes: written once for each dialect."""

    def __init__(self, write: Callable[[Dialect], str], **types: TypeEngine[Any]) -> None:
        self._write = write
        self._types = types
        self._written: dict[Dialect, TextClause] = {}

    def render(self, dialect: Dialect) -> TextClause:
        """The statement of this dialect: the same object each time."""
        if (written := self._written.get(dialect)) is None:
            written = self._written[dialect] = make_statement(self._write(dialect), **self._types)
        return written


def make_statement(statement: str, **types: TypeEngine[Any]) -> TextClause:
    """A statement of this text; `types` are of those parameters that a driver cannot convert by itself."""
    return text(statement).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))
