import pytest

from oddaemon.simulator.practice import SqlFailed
from oddaemon.simulator.template import without_keys
from tests.simulator.practice_world import practice

LIFTED = [
    ("SELECT 1 FROM t WHERE a > 12 AND b<=3 LIMIT 5", "SELECT 1 FROM t WHERE a > :key0 AND b<=:key1 LIMIT 5", [12, 3]),
    ("SELECT a>5 FROM t WHERE a >= 5", "SELECT a>5 FROM t WHERE a >= :key0", [5]),
    ("SELECT 1 from t WHERE x='a > 5' AND a>6", "SELECT 1 from t WHERE x='a > 5' AND a>:key0", [6]),
    ("SELECT 1 FROM t WHERE a='it\\'s > 5' AND b='x''> 7'", None, []),
    ("SELECT 1 FROM t WHERE `a > 5` > 'from' AND a > 8", "SELECT 1 FROM t WHERE `a > 5` > 'from' AND a > :key0", [8]),
    ("SELECT 1 FROM t WHERE a <> 0 AND b > 1.5 AND c > 1e3 AND d > 0 AND e = 7", None, []),
    ("SELECT a > 5", None, []),
]


@pytest.mark.parametrize(("sql", "template", "keys"), LIFTED, ids=[sql for sql, *_ in LIFTED])
def test_only_whole_numbers_compared_behind_the_last_from_are_keys(
    sql: str, template: str | None, keys: list[int]
) -> None:
    lifted, found = without_keys(sql)
    assert lifted == (template or sql)
    assert list(found.values()) == keys


def test_one_template_answers_for_every_key() -> None:
    office = practice(settled=0)
    for first in (1, 20, 2**62):
        rows = office.short_query(f"SELECT PatNum FROM patient WHERE PatNum >= {first} ORDER BY PatNum LIMIT 1")
        assert rows == ([{"PatNum": first}] if first < 2**60 else [])


def test_a_callers_own_placeholder_is_an_error() -> None:
    with pytest.raises(SqlFailed):
        practice(guarantors=1).short_query("SELECT PatNum FROM patient WHERE PatNum > :key0")
