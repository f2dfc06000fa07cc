"""Whatever an office may be asked, a real database and the simulator give the same rows."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from oddaemon.opendental import sql
from tests.mariadb.office_copy import Flavor, OfficeCopy, find_differences
from tests.mariadb.populations import POPULATIONS, SimulatedOffice, get_simulated_office
from tests.mariadb.server import MariaDbServer
from tests.mariadb.statements import (
    INSTANTS,
    OFFICES,
    STATEMENT_FUNCTIONS,
    TRUNCATING_PACKING,
    list_statement_functions,
    make_all_statements,
)

FLAVORS = (
    Flavor("MyISAM", "latin1", "latin1"),
    Flavor("InnoDB", "utf8mb4", "utf8mb4", "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES"),
    Flavor("MyISAM", "utf8mb3", "latin1", ""),
    Flavor("InnoDB", "latin1", "utf8mb4", "ANSI"),
)
OTHER_MODES = (
    Flavor("MyISAM", "utf8mb4", "utf8mb4", "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES"),
    Flavor("InnoDB", "utf8mb4", "utf8mb4"),
    Flavor("InnoDB", "utf8mb3", "utf8mb3", ""),
    Flavor("MyISAM", "latin1", "latin1", "MAXDB,NO_UNSIGNED_SUBTRACTION,TRADITIONAL"),
)


def find_all_differences(copy: OfficeCopy, office: SimulatedOffice) -> Iterator[str]:
    for statement in make_all_statements(office.pat_nums):
        for difference in find_differences(copy.short_query(statement), office.short_query(statement)):
            yield f"{statement}\n{difference}"


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("flavor", FLAVORS, ids=str)
def test_both_give_the_same_rows(mariadb: MariaDbServer, flavor: Flavor, population: str) -> None:
    office = get_simulated_office(population)
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        assert next(find_all_differences(copy, office), None) is None


@pytest.mark.parametrize("flavor", OTHER_MODES, ids=str)
def test_how_the_server_is_set_up_changes_nothing(mariadb: MariaDbServer, flavor: Flavor) -> None:
    office = get_simulated_office("edges of rounding")
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        assert next(find_all_differences(copy, office), None) is None


@pytest.mark.parametrize("flavor", FLAVORS[:2], ids=str)
def test_a_zero_below_zero_never_shows(mariadb: MariaDbServer, flavor: Flavor) -> None:
    office = get_simulated_office("edges of rounding")
    below = "SELECT CONCAT(ROUND(BalTotal*100)) AS Zero FROM patient WHERE BalTotal=-0.004 LIMIT 1"
    assert office.short_query(below) == [{"Zero": "-0"}]
    with closing(OfficeCopy(mariadb, office.office, flavor)) as copy:
        for asked in (office, copy):
            rows = asked.short_query(sql.select_page(OFFICES[0], None))
            assert not [row for row in rows if re.search(r"-0\b", str(row["Balance"]))]


def test_both_truncate_a_crowded_column_at_the_same_byte(mariadb: MariaDbServer) -> None:
    office = get_simulated_office("crowded")
    statement = sql.select_packed(OFFICES[0], TRUNCATING_PACKING, None)
    with closing(OfficeCopy(mariadb, office.office, FLAVORS[0])) as copy:
        columns = [str(row["L0"]) for row in copy.short_query(statement)]
    assert max(map(len, columns)) == 1024
    assert columns == [row["L0"] for row in office.short_query(statement)]


def test_rows_touched_since_an_instant_are_counted(mariadb: MariaDbServer) -> None:
    office = get_simulated_office("dense")
    with closing(OfficeCopy(mariadb, office.office, FLAVORS[1])) as copy:
        touched = [copy.short_query(sql.select_control(OFFICES[0], since))[0]["Touched"] for since in INSTANTS[1:]]
    assert touched == [300, 0, 0]


def test_no_statement_is_left_out() -> None:
    assert list_statement_functions() == STATEMENT_FUNCTIONS
