"""A whole office read as the house reads it: statements or pages, through JSON and the wire, to balances and proof."""

from typing import Protocol

from oddaemon.core.model import Balance, Office
from oddaemon.core.snapshot.packing import Packing
from oddaemon.core.snapshot.verify import find_difference
from oddaemon.opendental import decode, sql
from oddaemon.simulator.api import responses

STATEMENTS_MAX = 400


class Asked(Protocol):
    """A database that answers: real or simulated."""

    def short_query(self, sql: str) -> list[dict[str, object]]:
        """The rows of the answer."""


def answer(asked: Asked, statement: str) -> list[decode.Row]:
    """What comes back over the wire."""
    return decode.parse_json_rows(responses.make_rows(asked.short_query(statement)).body)


def by_statements(asked: Asked, office: Office, packing: Packing) -> tuple[list[Balance], str | None]:
    """The balances, and what keeps them from being proved."""
    balances: list[Balance] = []
    checksum = 0
    after: int | None = None
    for _ in range(STATEMENTS_MAX):
        packed = decode.parse_packed(answer(asked, sql.select_packed(office, packing, after)), packing)
        balances += packed.balances
        checksum += packed.checksum
        if packed.last_group is None or packed.groups < office.page_rows:
            return balances, find_difference(balances, packed.control.totals, checksum)
        after = (packed.last_group + 1) * packing.group_span - 1
    raise AssertionError("the office never ends")


def by_pages(asked: Asked, office: Office) -> tuple[list[Balance], str | None]:
    """The same in key-set pages, with the control query behind them."""
    balances: list[Balance] = []
    after: int | None = None
    while page := decode.parse_page(answer(asked, sql.select_page(office, after)), after, office.page_rows):
        balances += page
        after = page[-1].pat_num
    return balances, find_difference(balances, decode.parse_control(answer(asked, sql.select_control(office))).totals)
