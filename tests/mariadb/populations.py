"""Offices that differ in what a statement could get wrong: PatNums, clinics, amounts, and no patient at all."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from random import Random

from oddaemon.simulator.mysql.tables import MONEY_COLUMNS
from oddaemon.simulator.practice.practice import Practice
from tests.simulator.sample_practice import make_practice

EDGES = (
    # Halves of a cent: exact, just below and just above in binary.
    *(0.005, 0.015, 0.025, 0.125, 0.285, 0.375, 1.005, 1.015, 1.115, 2.675, 8.345, 1234.565, 99_999.995),
    *(-0.005, -0.015, -0.025, -0.125, -1.005, -2.675, -8.345),
    # Nothing in cents, and still not zero.
    *(0.001, 0.004, 0.0049999, -0.001, -0.004, 1e-9, -1e-9, 5e-324),
    # What sums of doubles leave behind.
    *(0.1 + 0.2, 1.1 + 2.2, 33.3333333333, 4.35, 100.1 - 100, 0.57 * 100),
    # Large, and still written without an exponent in cents.
    *(12_345_678.905, 4_503_599_627_370.5, 9_999_999_999_999.0, -9_999_999_999_999.99),
)
ASTRONOMIC = (1e300, -1e300, 123_456_789_012_345_678.0)
"""Dollars that are no integers of 64 bits, or not exact ones, once they are cents."""


def _make_edges() -> Practice:
    """Each edge alone in a row, rows in which edges meet, and rows of thousandths."""
    alone = [[edge] + [0.0] * 6 for edge in EDGES]
    met = [Random(number).choices(EDGES, k=7) for number in range(150)]
    thousandths = [[Random(number).randrange(-99_999, 999_999) / 1000 for _ in range(7)] for number in range(150)]
    return _make_practice([*alone, *met, *thousandths])


def _make_credits() -> Practice:
    """Mixtures of debts, credits and zeros in the seven columns, each column alone among them."""
    signs = list(product((-1, 0, 1), repeat=7))[:: 3**2]
    return _make_practice([[sign * cents / 100 for sign, cents in zip(row, range(1, 8), strict=True)] for row in signs])


def _make_practice(rows: Sequence[Sequence[float]]) -> Practice:
    """An office whose guarantors have exactly these seven amounts."""
    office = make_practice(guarantors=0, settled=0, clinics=2)
    columns = ("PatNum", "Guarantor", "ClinicNum", *MONEY_COLUMNS)
    others = "LName, FName, PatStatus, PayPlanDue, DateTStamp"
    values = "'O''Brien', 'Zoë', 2, 0.0, '2026-11-21 02:00:00'"
    places = ", ".join("?" * len(columns))
    office.tables.connection.executemany(
        f"INSERT INTO patient ({', '.join(columns)}, {others}) VALUES ({places}, {values})",
        ((3 * place + 1, 3 * place + 1, place % 3, *amounts) for place, amounts in enumerate(rows)),
    )
    return office


POPULATIONS: Mapping[str, Callable[[], Practice]] = {
    "dense": lambda: make_practice(guarantors=300, settled=60),
    "sparse": lambda: make_practice(guarantors=150, pat_nums="sparse"),
    "random PatNums": lambda: make_practice(guarantors=120, pat_nums="random"),
    "clinics": lambda: make_practice(guarantors=200, clinics=4),
    "three decimals": lambda: make_practice(guarantors=200, three_decimals=True),
    "crowded": lambda: make_practice(guarantors=900, settled=0, three_decimals=True),
    "settled": lambda: make_practice(guarantors=0, settled=40),
    "empty": lambda: make_practice(guarantors=0, settled=0),
    "never aged": lambda: make_practice(guarantors=80, last_aging="never"),
    "credits": _make_credits,
    "edges of rounding": _make_edges,
}


def make_astronomic() -> Practice:
    """Amounts beyond any office; the simulator writes them with an exponent where a server may not."""
    return _make_practice([[amount] * 7 for amount in ASTRONOMIC])


class SimulatedOffice:
    """A population, and what its simulator said to each statement: it is asked once, and compared often."""

    def __init__(self, office: Practice) -> None:
        self.office = office
        rows = office.run_short_query("SELECT PatNum FROM patient ORDER BY PatNum")
        self.pat_nums = [int(str(row["PatNum"])) for row in rows]
        self._answers: dict[str, list[dict[str, object]]] = {}

    def short_query(self, sql: str) -> list[dict[str, object]]:
        """The rows of the answer."""
        if sql not in self._answers:
            self._answers[sql] = self.office.run_short_query(sql)
        return self._answers[sql]


@cache
def get_simulated_office(population: str) -> SimulatedOffice:
    """The office of a population; read only, as all tests share it."""
    return SimulatedOffice(POPULATIONS[population]())
