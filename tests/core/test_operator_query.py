from datetime import date

import pytest

from oddaemon.core.operator_query import LENGTH_MAX, WrongQueryError, counted, dated

DAY = date(2025, 12, 31)


def test_the_day_is_put_in() -> None:
    assert dated("SELECT 1 FROM t WHERE d<='{as_of}'", DAY) == "SELECT 1 FROM t WHERE d<='2025-12-31'"


def test_the_same_query_is_counted_and_added_up() -> None:
    query = dated("SET @day='{as_of}'; SET @x='a;b';\nSELECT PatNum, BalTotal FROM t WHERE d<=@day;\n", DAY)
    assert counted(query, ("BalTotal", "Ins Est")) == (
        "SET @day='2025-12-31';\n SET @x='a;b';\n"
        "SELECT COUNT(*),SUM(ROUND(`BalTotal`*100)),SUM(ROUND(`Ins Est`*100)) "
        "FROM (SELECT PatNum, BalTotal FROM t WHERE d<=@day) counted"
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 1", "does not say where the day goes"),
        ("", "does not say"),
        ("UPDATE t SET d='{as_of}'", "must be a SELECT"),
        ("SELECT '{as_of}'; DELETE FROM t", "must be a SELECT"),
        ("/* {as_of} */ SELECT 1", "must be a SELECT"),
        (";", "does not say"),
        ("SELECT '{as_of}'" + " " * LENGTH_MAX, "more than"),
    ],
)
def test_what_cannot_be_used_is_refused(query: str, words: str) -> None:
    with pytest.raises(WrongQueryError, match=words):
        dated(query, DAY)
