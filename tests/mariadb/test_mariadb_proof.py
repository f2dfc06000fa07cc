"""From a real database to proved balances: every number on the way is the office's own."""

from contextlib import closing

import pytest

from oddaemon.core.model import Balance, Include, OfficeSpec
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.packing import FIRST_PACKING, PackedColumnTruncated, Packing, plan_packing
from oddaemon.opendental import decode, sql
from oddaemon.opendental.decode_values import MalformedValue
from tests.mariadb.office_copy import Flavor, OfficeCopy
from tests.mariadb.office_reader import query, read_by_pages, read_by_statements
from tests.mariadb.populations import EDGES, POPULATIONS, SimulatedOffice, get_simulated_office, make_astronomic
from tests.mariadb.server import MariaDbServer
from tests.mariadb.statements import OFFICES, TRUNCATING_PACKING

FLAVORS = (Flavor("MyISAM", "latin1", "latin1"), Flavor("InnoDB", "utf8mb4", "utf8mb4", "ONLY_FULL_GROUP_BY"))
WITH_A_LEDGER = [name for name in POPULATIONS if name not in {"credits", "edges of rounding", "crowded"}]
NARROW = Packing(lane_span=6, lanes=8)


@pytest.fixture(params=FLAVORS, ids=str)
def flavor(request: pytest.FixtureRequest) -> Flavor:
    chosen = request.param
    assert isinstance(chosen, Flavor)
    return chosen


def get_true_balances(office: SimulatedOffice, spec: OfficeSpec) -> list[Balance]:
    include = "debts" if spec.include is Include.DEBTS else "all"
    return [Balance._make(row) for row in office.office.balances.get_true_balances(include, spec.clinics)]  # type: ignore[arg-type]


@pytest.mark.parametrize("population", WITH_A_LEDGER)
def test_pages_of_a_real_database_are_the_truth(mariadb: MariaDbServer, flavor: Flavor, population: str) -> None:
    office = get_simulated_office(population)
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        for spec in OFFICES:
            assert read_by_pages(copy, spec) == (get_true_balances(office, spec), None)


@pytest.mark.parametrize("population", [name for name in WITH_A_LEDGER if name != "random PatNums"])
def test_packed_statements_of_a_real_database_are_the_truth(
    mariadb: MariaDbServer, flavor: Flavor, population: str
) -> None:
    office = get_simulated_office(population)
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        for spec in OFFICES:
            true = get_true_balances(office, spec)
            for packing in (FIRST_PACKING, NARROW, plan_packing(BalanceRows.of(true))):
                if packing is not None:
                    assert read_by_statements(copy, spec, packing) == (true, None)


def test_cents_are_the_doubles_rounded_half_to_even(mariadb: MariaDbServer, flavor: Flavor) -> None:
    office = get_simulated_office("edges of rounding")
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        balances, doubt = read_by_statements(copy, OFFICES[0], NARROW)
    assert doubt is None
    assert [balance.est_balance for balance in balances[: len(EDGES)]] == [round(edge * 100) for edge in EDGES]


def test_a_column_that_the_server_truncates_is_detected(mariadb: MariaDbServer, flavor: Flavor) -> None:
    office = get_simulated_office("crowded")
    results = []
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        for asked in (copy, office):
            with pytest.raises(PackedColumnTruncated) as cut:
                read_by_statements(asked, OFFICES[0], TRUNCATING_PACKING)
            results.append(str(cut.value))
    assert results[0] == results[1]


def test_amounts_beyond_any_office_are_refused_and_not_misread(mariadb: MariaDbServer, flavor: Flavor) -> None:
    with closing(OfficeCopy(mariadb, make_astronomic(), flavor)) as copy:
        with pytest.raises((MalformedValue, PackedColumnTruncated)):
            read_by_statements(copy, OFFICES[0], NARROW)
        with pytest.raises(MalformedValue):
            read_by_pages(copy, OFFICES[0])


def test_who_the_office_is_does_not_hang_on_how_it_is_asked(mariadb: MariaDbServer) -> None:
    office = get_simulated_office("dense")
    identities = set()
    for flavor in FLAVORS:
        with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
            identities.add(decode.parse_clocks(query(copy, sql.select_clocks())))
            control = decode.parse_control(query(copy, sql.select_control(OFFICES[0])))
            assert control.identity == decode.parse_clocks(query(copy, sql.select_clocks())).identity
    assert identities == {decode.parse_clocks(query(office, sql.select_clocks()))}
