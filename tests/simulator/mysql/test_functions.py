"""MySQL's own answers, one expression at a time."""

from typing import Any

import pytest

from tests.simulator.mysql.sql_examples import EXPRESSIONS, NAMES, ROWS
from tests.simulator.sample_practice import make_practice


@pytest.mark.parametrize(("expression", "answer"), EXPRESSIONS, ids=[expression for expression, _ in EXPRESSIONS])
def test_an_expression_means_what_mysql_means(expression: str, answer: Any) -> None:
    assert make_practice(guarantors=1, settled=0).run_short_query(f"SELECT {expression} AS x") == [{"x": answer}]


@pytest.mark.parametrize(("sql", "names"), NAMES, ids=[sql for sql, _ in NAMES])
def test_result_columns_are_named_as_written(sql: str, names: list[str]) -> None:
    assert list(make_practice(guarantors=1, clinics=1).run_short_query(sql)[0]) == names


@pytest.mark.parametrize(("sql", "rows"), ROWS, ids=[sql for sql, _ in ROWS])
def test_a_query_gives_what_mysql_gives(sql: str, rows: list[tuple[Any, ...]]) -> None:
    office = make_practice(guarantors=1, clinics=4)
    assert [tuple(row.values()) for row in office.run_short_query(sql)] == rows


def test_minus_zero_is_still_minus_zero_as_mysql_has_it() -> None:
    (row,) = make_practice(guarantors=1).run_short_query("SELECT ROUND(-0.3e0) AS a, ROUND(-0.3e0)+0 AS b")
    assert (str(row["a"]), str(row["b"])) == ("-0.0", "0.0")
    (row,) = make_practice(guarantors=1).run_short_query(
        "SELECT CONCAT(ROUND(-0.3e0)) AS a, CONCAT(ROUND(-0.3e0)+0) AS b"
    )
    assert row == {"a": "-0", "b": "0"}


def test_group_concat_is_cut_in_bytes_and_never_inside_a_character() -> None:
    office = make_practice(guarantors=30, group_concat_max_len=4)
    (row,) = office.run_short_query(
        "SELECT GROUP_CONCAT('ab') AS a, GROUP_CONCAT('éé') AS e, GROUP_CONCAT('aéé') AS o FROM patient"
    )
    assert row == {"a": "ab,a", "e": "éé", "o": "aé"}


def test_a_text_that_looks_like_a_datetime_stays_a_text() -> None:
    (row,) = make_practice().run_short_query("SELECT ValueString FROM preference WHERE PrefName='AgingServiceTimeDue'")
    assert row == {"ValueString": "2000-01-01 02:00:00"}
