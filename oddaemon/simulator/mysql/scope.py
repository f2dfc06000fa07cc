"""The columns that a name can mean at one place of a statement."""

from dataclasses import dataclass, field
from typing import NamedTuple

from oddaemon.simulator.mysql.query_filter import SqlFailed
from oddaemon.simulator.mysql.tables import TABLES, SqlType


class Column(NamedTuple):
    """A column of a table or of a query: its name there, and its type."""

    name: str
    sql_type: SqlType


Columns = tuple[Column, ...]


def get_table_columns(table: str) -> Columns:
    """The columns of a stored table.

    Raises:
        SqlFailed: There is no such table.
    """
    declared = TABLES.get(table.lower())
    if declared is None:
        raise SqlFailed(f"Table 'opendental.{table.lower()}' doesn't exist")
    return tuple(Column(name, sql_type) for name, sql_type in declared.items())


@dataclass
class Scope:
    """The tables after FROM, the aliases after SELECT, and the scope of the query around a subquery.

    Attributes:
        sources: Columns by the lower-case name of the table or its alias, in order of FROM.
        outer: The scope in which a correlated subquery looks next.
        aliases: The names of the SELECT list, for GROUP BY, HAVING and ORDER BY.
        clause: The present clause in MySQL's words, for its error messages.
    """

    sources: dict[str, Columns] = field(default_factory=dict)
    outer: "Scope | None" = None
    aliases: dict[str, SqlType] = field(default_factory=dict)
    clause: str = "field list"

    def add(self, name: str, columns: Columns) -> None:
        """Add a table of FROM.

        Raises:
            SqlFailed: Another table has the same name.
        """
        if name.lower() in self.sources:
            raise SqlFailed(f"Not unique table/alias: '{name}'")
        self.sources[name.lower()] = columns

    def expand_star(self, source: str) -> Columns:
        """The columns of `source.*` (of `*` for an empty source).

        Raises:
            SqlFailed: There is no such table in FROM.
        """
        if not source:
            return tuple(column for columns in self.sources.values() for column in columns)
        if source.lower() not in self.sources:
            raise SqlFailed(f"Unknown table '{source}'")
        return self.sources[source.lower()]

    def find_type(self, source: str, name: str) -> SqlType:
        """The type of a column, looked up here and then in the outer scopes.

        Raises:
            SqlFailed: There is no such column, or more than one.
        """
        scope: Scope | None = self
        while scope is not None:
            found = [
                column.sql_type
                for source_name, columns in scope.sources.items()
                if source.lower() in ("", source_name)
                for column in columns
                if column.name.lower() == name.lower()
            ]
            if not source and self._knows_alias(scope, name):
                return scope.aliases[name.lower()]
            if len(found) > 1:
                raise SqlFailed(f"Column '{name}' in {self.clause} is ambiguous")
            if found:
                return found[0]
            scope = scope.outer
        full_name = f"{source}.{name}" if source else name
        raise SqlFailed(f"Unknown column '{full_name}' in '{self.clause}'")

    @staticmethod
    def _knows_alias(scope: "Scope", name: str) -> bool:
        return scope.clause in ("group statement", "having clause", "order clause") and name.lower() in scope.aliases
