"""From a real database to proved balances: every number on the way is the office's own."""

from contextlib import closing

import pytest

from oddaemon.core.model import Balance, Include, Office
from oddaemon.core.snapshot.packing import FIRST_PACKING, PackedColumnTruncated, Packing, plan_packing
from oddaemon.opendental import decode, sql
from tests.mariadb.office_copy import Flavor, OfficeCopy
from tests.mariadb.populations import EDGES, POPULATIONS, SimulatedOffice, astronomic, simulated
from tests.mariadb.reading import answer, by_pages, by_statements
from tests.mariadb.server import MariaDbServer
from tests.mariadb.statements import CUT, OFFICES

FLAVORS = (Flavor("MyISAM", "latin1", "latin1"), Flavor("InnoDB", "utf8mb4", "utf8mb4", "ONLY_FULL_GROUP_BY"))
WITH_A_LEDGER = [name for name in POPULATIONS if name not in {"credits", "edges of rounding", "crowded"}]
NARROW = Packing(lane_span=6, lanes=8)


@pytest.fixture(params=FLAVORS, ids=str)
def flavor(request: pytest.FixtureRequest) -> Flavor:
    chosen = request.param
    assert isinstance(chosen, Flavor)
    return chosen


def truth(office: SimulatedOffice, wished: Office) -> list[Balance]:
    include = "debts" if wished.include is Include.DEBTS else "all"
    return [Balance._make(row) for row in office.office.get_true_balances(include, wished.clinics)]  # type: ignore[arg-type]


@pytest.mark.parametrize("population", WITH_A_LEDGER)
def test_pages_of_a_real_database_are_the_truth(mariadb: MariaDbServer, flavor: Flavor, population: str) -> None:
    office = simulated(population)
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        for wished in OFFICES:
            assert by_pages(copy, wished) == (truth(office, wished), None)


@pytest.mark.parametrize("population", [name for name in WITH_A_LEDGER if name != "random PatNums"])
def test_packed_statements_of_a_real_database_are_the_truth(
    mariadb: MariaDbServer, flavor: Flavor, population: str
) -> None:
    office = simulated(population)
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        for wished in OFFICES:
            true = truth(office, wished)
            for packing in (FIRST_PACKING, NARROW, plan_packing(true)):
                if packing is not None:
                    assert by_statements(copy, wished, packing) == (true, None)


def test_cents_are_the_doubles_rounded_half_to_even(mariadb: MariaDbServer, flavor: Flavor) -> None:
    office = simulated("edges of rounding")
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        balances, doubt = by_statements(copy, OFFICES[0], NARROW)
    assert doubt is None
    assert [balance.est_balance for balance in balances[: len(EDGES)]] == [round(edge * 100) for edge in EDGES]


def test_a_lane_that_the_server_cut_is_seen(mariadb: MariaDbServer, flavor: Flavor) -> None:
    office = simulated("crowded")
    seen = []
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        for asked in (copy, office):
            with pytest.raises(PackedColumnTruncated) as cut:
                by_statements(asked, OFFICES[0], CUT)
            seen.append(str(cut.value))
    assert seen[0] == seen[1]


def test_amounts_beyond_any_office_are_refused_and_not_misread(mariadb: MariaDbServer, flavor: Flavor) -> None:
    with closing(OfficeCopy(mariadb, astronomic(), flavor)) as copy:
        with pytest.raises((decode.MalformedValue, PackedColumnTruncated)):
            by_statements(copy, OFFICES[0], NARROW)
        with pytest.raises(decode.MalformedValue):
            by_pages(copy, OFFICES[0])


def test_who_the_office_is_does_not_hang_on_how_it_is_asked(mariadb: MariaDbServer) -> None:
    office = simulated("dense")
    told = set()
    for flavor in FLAVORS:
        with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
            told.add(decode.parse_clocks(answer(copy, sql.select_clocks())))
            control = decode.parse_control(answer(copy, sql.select_control(OFFICES[0])))
            assert control.identity == decode.parse_clocks(answer(copy, sql.select_clocks())).identity
    assert told == {decode.parse_clocks(answer(office, sql.select_clocks()))}
