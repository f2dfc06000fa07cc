"""What the simulator assumes of MySQL is true of a real server."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.mariadb.office_copy import Flavor, OfficeCopy
from tests.mariadb.server import MariaDbServer
from tests.simulator.mysql.sql_examples import EXPRESSIONS, NAMES, ROWS
from tests.simulator.sample_practice import make_practice

NOT_ON_THIS_SERVER = {
    "SYSDATE()": "reads the machine's own clock",
    "SELECT ClinicNum FROM CLINIC ORDER BY clinicnum DESC LIMIT 2": "tables have one case on Windows, two on Linux",
    "SELECT patnum, PATNUM AS p, P.`ClinicNum` FROM patient p": "the same of aliases",
    "SELECT 1 AS a, 2 AS A, 3 AS a": "names that come twice are numbered by the API",
}


def select_supported(examples: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [example for example in examples if example[0] not in NOT_ON_THIS_SERVER]


@pytest.fixture(scope="module")
def copy(mariadb: MariaDbServer) -> Iterator[OfficeCopy]:
    with closing(
        OfficeCopy(mariadb, make_practice(guarantors=1, settled=0, clinics=4), Flavor("InnoDB", "utf8mb4", "utf8mb4"))
    ) as copy:
        yield copy


@pytest.mark.parametrize(("expression", "answer"), select_supported(EXPRESSIONS))
def test_an_expression_means_what_a_server_means(copy: OfficeCopy, expression: str, answer: Any) -> None:
    assert copy.short_query(f"SELECT {expression} AS x") == [{"x": answer}]


@pytest.mark.parametrize(("sql", "rows"), select_supported(ROWS))
def test_a_query_gives_what_a_server_gives(copy: OfficeCopy, sql: str, rows: list[tuple[Any, ...]]) -> None:
    assert copy.select(sql)[1] == rows


@pytest.mark.parametrize(("sql", "names"), select_supported(NAMES))
def test_result_columns_are_named_as_a_server_names_them(copy: OfficeCopy, sql: str, names: list[str]) -> None:
    assert copy.select(sql)[0] == names
