import pytest

from oddaemon.simulator.mysql.engine import extract_literals
from oddaemon.simulator.mysql.query_filter import SqlFailed
from tests.simulator.sample_practice import make_practice

LIFTED = [
    ("SELECT 1 FROM t WHERE a > 12 AND b<=3 LIMIT 5", "SELECT 1 FROM t WHERE a > :key0 AND b<=:key1 LIMIT 5", [12, 3]),
    ("SELECT a>5 FROM t WHERE a >= 5", "SELECT a>5 FROM t WHERE a >= :key0", [5]),
    ("SELECT 1 from t WHERE x='a > 5' AND a>6", "SELECT 1 from t WHERE x='a > 5' AND a>:key0", [6]),
    ("SELECT 1 FROM t WHERE a='it\\'s > 5' AND b='x''> 7'", None, []),
    ("SELECT 1 FROM t WHERE `a > 5` > 'from' AND a > 8", "SELECT 1 FROM t WHERE `a > 5` > 'from' AND a > :key0", [8]),
    ("SELECT 1 FROM t WHERE a <> 0 AND b > 1.5 AND c > 1e3 AND d > 0 AND e = 7", None, []),
    ("SELECT a > 5", None, []),
    (
        f"SELECT 1 FROM t WHERE a>{8 * 10**18} AND a>{10**19}",
        f"SELECT 1 FROM t WHERE a>:key0 AND a>{10**19}",
        [8 * 10**18],
    ),
    (
        "SELECT a DIV 40 AS g, a DIV 10 MOD 4 AS l, a DIV 10 FROM t",
        "SELECT a DIV :key0 AS g, a DIV :key1 MOD 4 AS l, a DIV 10 FROM t",
        [40, 10],
    ),
    (
        "SELECT CASE WHEN a>'2026-03-03 01:02:03' THEN 1 END, b>'2026-03-03 01:02:03', 'x>''y' FROM t",
        "SELECT CASE WHEN a>:instant0 THEN 1 END, b>'2026-03-03 01:02:03', 'x>''y' FROM t",
        ["2026-03-03 01:02:03"],
    ),
]


@pytest.mark.parametrize(("sql", "template", "keys"), LIFTED, ids=[sql for sql, *_ in LIFTED])
def test_only_values_that_name_no_column_are_lifted(sql: str, template: str | None, keys: list[int | str]) -> None:
    lifted, found = extract_literals(sql)
    assert lifted == (template or sql)
    assert list(found.values()) == keys


def test_one_template_answers_for_every_key() -> None:
    office = make_practice(settled=0)
    for first in (1, 20, 2**62):
        rows = office.run_short_query(f"SELECT PatNum FROM patient WHERE PatNum >= {first} ORDER BY PatNum LIMIT 1")
        assert rows == ([{"PatNum": first}] if first < 2**60 else [])


def test_one_template_answers_for_every_instant() -> None:
    office = make_practice()
    counting = "SELECT SUM(CASE WHEN DateTStamp>'{}-01-01 00:00:00' THEN 1 ELSE 0 END) AS N FROM patient"
    counted = [office.run_short_query(counting.format(year)) for year in (1999, 2099)]
    assert counted[0][0]["N"] == office.run_short_query("SELECT COUNT(*) AS N FROM patient")[0]["N"]
    assert counted[1] == [{"N": 0}]


def test_a_column_is_named_after_the_instant_that_was_written() -> None:
    case = "CASE WHEN DateTStamp>'1999-01-01 00:00:00' THEN 1 END"
    assert make_practice(guarantors=1).run_short_query(f"SELECT {case} FROM patient LIMIT 1") == [{case: 1}]


def test_one_template_answers_for_every_divisor() -> None:
    office = make_practice(guarantors=1)
    for span in (1, 7, 2**40):
        (row,) = office.run_short_query(f"SELECT PatNum DIV {span} AS g, PatNum AS p FROM patient LIMIT 1")
        assert row["g"] == int(str(row["p"])) // span


def test_a_column_is_named_after_the_divisor_that_was_written() -> None:
    cast = "CAST(PatNum DIV 1000000000000 AS CHAR)"
    assert list(make_practice(guarantors=1).run_short_query(f"SELECT {cast} FROM patient LIMIT 1")[0]) == [cast]


def test_a_callers_own_placeholder_is_an_error() -> None:
    with pytest.raises(SqlFailed):
        make_practice(guarantors=1).run_short_query("SELECT PatNum FROM patient WHERE PatNum > :key0")
