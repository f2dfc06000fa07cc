"""A whole office read as the house reads it: statements or pages, through JSON and the wire, to balances and proof."""

from typing import Protocol

from oddaemon.core.model import Balance, OfficeSpec
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.packing import Packing
from oddaemon.core.snapshot.verify import find_difference
from oddaemon.opendental import decode, sql
from oddaemon.opendental.decode_values import Row
from oddaemon.opendental.document import decode_rows
from oddaemon.simulator.api import responses

STATEMENTS_MAX = 400


class QueryableOffice(Protocol):
    """A database that answers: real or simulated."""

    def short_query(self, sql: str) -> list[dict[str, object]]:
        """The rows of the answer."""


def query(source: QueryableOffice, statement: str) -> list[Row]:
    """What comes back over the wire."""
    return decode_rows(responses.make_rows(source.short_query(statement)).body)


def read_by_statements(
    source: QueryableOffice, office: OfficeSpec, packing: Packing
) -> tuple[list[Balance], str | None]:
    """The balances, and what keeps them from being proved."""
    balances = BalanceRows()
    after: int | None = None
    for _ in range(STATEMENTS_MAX):
        packed = decode.parse_packed(query(source, sql.select_packed(office, packing, after)), packing)
        balances.update(packed.balances)
        if packed.last_group is None or packed.groups < office.page_rows:
            return list(balances), find_difference(balances.totals, packed.control.totals)
        after = (packed.last_group + 1) * packing.group_span - 1
    raise AssertionError("the office never ends")


def read_by_pages(source: QueryableOffice, office: OfficeSpec) -> tuple[list[Balance], str | None]:
    """The same in key-set pages, with the control query behind them."""
    balances = BalanceRows()
    after: int | None = None
    while page := decode.parse_page(query(source, sql.select_page(office, after)), after, office.page_rows):
        balances.update(page)
        after = max(page.texts)
    control = decode.parse_control(query(source, sql.select_control(office)))
    return list(balances), find_difference(balances.totals, control.totals)
