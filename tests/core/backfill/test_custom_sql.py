from datetime import date

import pytest

from oddaemon.core.backfill.custom_sql import QUERY_LENGTH_MAX, InvalidQuery, make_count_query, prepare_query

DAY = date(2025, 12, 31)


def test_the_day_is_put_in() -> None:
    assert prepare_query("SELECT 1 FROM t WHERE d<='{as_of}'", DAY) == "SELECT 1 FROM t WHERE d<='2025-12-31'"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ';', `a;b`, \"--\" FROM t WHERE d<='{as_of}' AND x='it''s; \\'# '",
        "SELECT ';', `a;b`, \"--\" FROM t WHERE d<='{as_of}' AND x='it''s; \\'# '  ;\n-- the end; really\n",
        "/* families; who owe */ SELECT ';', `a;b`, \"--\" FROM t WHERE d<='{as_of}' AND x='it''s; \\'# ' ; ; # end",
    ],
)
def test_a_semicolon_at_the_end_and_comments_are_left_out(query: str) -> None:
    assert prepare_query(query, DAY) == "SELECT ';', `a;b`, \"--\" FROM t WHERE d<='2025-12-31' AND x='it''s; \\'# '"


def test_a_comment_within_is_a_blank() -> None:
    assert (
        prepare_query("SELECT/**/1 -- one\nFROM t WHERE d='{as_of}'--1", DAY)
        == "SELECT 1  \nFROM t WHERE d='2025-12-31'--1"
    )


def test_the_same_query_is_counted_and_added_up() -> None:
    query = prepare_query("SELECT PatNum, BalTotal FROM t WHERE d<='{as_of}';\n", DAY)
    assert make_count_query(query, ("BalTotal", "Ins Est")) == (
        "SELECT COUNT(*),SUM(ROUND(`BalTotal`*100)),SUM(ROUND(`Ins Est`*100)) "
        "FROM (SELECT PatNum, BalTotal FROM t WHERE d<='2025-12-31') counted"
    )


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT 1", "does not contain the day"),
        ("", "does not contain"),
        ("UPDATE t SET d='{as_of}'", "must begin with SELECT"),
        ("SELECT '{as_of}'; DELETE FROM t", "several statements"),
        ("SET @day='{as_of}'; SELECT @day", "several statements"),
        ("/* {as_of} */ SELECT 1", "does not contain"),
        ("-- '{as_of}'", "does not contain"),
        (";", "does not contain"),
        ("SELECT '{as_of}'" + " " * QUERY_LENGTH_MAX, "longer than"),
    ],
)
def test_what_cannot_be_used_is_refused(query: str, text: str) -> None:
    with pytest.raises(InvalidQuery, match=text):
        prepare_query(query, DAY)
