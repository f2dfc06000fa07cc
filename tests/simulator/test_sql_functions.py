"""MySQL's own answers (5.5 to 8.0 and MariaDB 10 agree on all of these), one expression at a time."""

from typing import Any

import pytest

from tests.simulator.practice_world import practice

EXPRESSIONS: list[tuple[str, Any]] = [
    ("7 DIV 2", 3),
    ("-7 DIV 2", -3),
    ("7 DIV 0", None),
    ("7.9 DIV 2.5", 3),
    ("100 DIV 9 MOD 4", 3),
    ("MOD(7, 3)", 1),
    ("7 % 3", 1),
    ("-7 MOD 3", -1),
    ("7.5 MOD 2", 1.5),
    ("7 MOD 0", None),
    ("7/2", 3.5),
    ("7/0", None),
    ("'3 apples' + 1", 4.0),
    ("ROUND(2.5e0)", 2),
    ("ROUND(-3.5e0)", -4),
    ("ROUND(1.005*100)", 100),
    ("ROUND(1.235, 2)", 1.24),
    ("ROUND(17, -1)", 20),
    ("ROUND(NULL)", None),
    ("TRUNCATE(-1.99, 1)", -1.9),
    ("ABS(-3)", 3),
    ("CAST(2.6 AS SIGNED)", 3),
    ("CAST(-2.6 AS SIGNED)", -3),
    ("CAST('12abc' AS SIGNED)", 12),
    ("CAST('abc' AS SIGNED)", 0),
    ("CAST(1.5 AS CHAR)", "1.5"),
    ("CAST('1.239' AS DECIMAL(10,2))", 1.24),
    ("CONCAT('a', 1, 2.0*1)", "a12"),
    ("CONCAT('a', NULL)", None),
    ("CONCAT_WS(',', 1, NULL, 'b', '')", "1,b,"),
    ("CONCAT_WS(NULL, 1, 2)", None),
    ("CONCAT_WS(',', ROUND(1234.4), ROUND(-0.3), ROUND(-0.3)+0, 0.5)", "1234,-0,0,0.5"),
    ("CONCAT(1e20*1)", "1e20"),
    ("CRC32('MySQL')", 3259397556),
    ("CRC32(12)", 1330857165),
    ("CRC32(NULL)", None),
    ("IFNULL(NULL, 'x')", "x"),
    ("COALESCE(NULL, NULL, 3)", 3),
    ("NULLIF(1, 1)", None),
    ("IF(1 > 2, 'a', 'b')", "b"),
    ("CASE WHEN 1=0 THEN 'a' ELSE 'b' END", "b"),
    ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "b"),
    ("CASE WHEN NULL THEN 1 END", None),
    ("LEFT('Open Dental', 4)", "Open"),
    ("RIGHT(12345, 2)", "45"),
    ("SUBSTRING('Open', 2)", "pen"),
    ("SUBSTRING('Open', 2, 2)", "pe"),
    ("SUBSTRING('Open', -2)", "en"),
    ("SUBSTRING('Open', 0)", ""),
    ("LENGTH('é')", 2),
    ("CHAR_LENGTH('é')", 1),
    ("UPPER('é')", "É"),
    ("'abc' = 'ABC'", 1),
    ("'abc' <> 'abd'", 1),
    ("CONCAT('a','b') = 'AB'", 1),
    ("'abc' IN ('x', 'ABC')", 1),
    ("'Abbott' LIKE 'abb%'", 1),
    ("'a_b' LIKE 'a\\_b' AND NOT 'axb' LIKE 'a\\_b'", 1),
    ("'10' > 9", 1),
    ("NULL <=> NULL", 1),
    ("NULL = NULL", None),
    ("5 BETWEEN 1 AND 5", 1),
    ("3 NOT IN (1, 2)", 1),
    ("1 = 1 AND NOT (2 > 3 OR 1 > 2)", 1),
    ("TRUE", 1),
    ("LEAST(3, 1, 2)", 1),
    ("NOW()", "2026-11-22T01:50:00"),
    ("SYSDATE()", "2026-11-22T01:50:00"),
    ("CURRENT_TIMESTAMP", "2026-11-22T01:50:00"),
    ("UTC_TIMESTAMP()", "2026-11-22T09:50:00"),
    ("CURDATE()", "2026-11-22T00:00:00"),
    ("DATE(NOW())", "2026-11-22T00:00:00"),
    ("DATE('2026-02-30')", None),
    ("CONCAT(NOW())", "2026-11-22 01:50:00"),
    ("NOW() > '2026-11-22'", 1),
    ("DATE(NOW()) = '2026-11-22'", 1),
    ("NOW() BETWEEN '2026-11-22T01:00:00' AND '2026-11-22 02:00:00'", 1),
    ("NOW() - INTERVAL 50 MINUTE", "2026-11-22T01:00:00"),
    ("DATE_ADD(NOW(), INTERVAL 1 DAY)", "2026-11-23T01:50:00"),
    ("DATE_SUB(NOW(), INTERVAL 1 HOUR)", "2026-11-22T00:50:00"),
    ("TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())", -28800),
    ("TIMESTAMPDIFF(HOUR, NULL, NOW())", None),
    ("(SELECT ValueString FROM preference WHERE PrefName='nosuch')", None),
    ("(SELECT COUNT(*) FROM preference WHERE PrefName='DATELASTAGING')", 1),
    ("'it''s; a \"text\"'", 'it\'s; a "text"'),
    ('"double quoted"', "double quoted"),
]


@pytest.mark.parametrize(("expression", "answer"), EXPRESSIONS, ids=[expression for expression, _ in EXPRESSIONS])
def test_an_expression_means_what_mysql_means(expression: str, answer: Any) -> None:
    assert practice(guarantors=1, settled=0).short_query(f"SELECT {expression} AS x") == [{"x": answer}]


NAMES: list[tuple[str, list[str]]] = [
    ("SELECT patnum, PATNUM AS p, P.`ClinicNum` FROM patient p", ["patnum", "p", "ClinicNum"]),
    ("SELECT count(*), max( PatNum ) , 1+1 FROM patient", ["count(*)", "max( PatNum )", "1+1"]),
    ("SELECT IF(1,2,3), 'a,b' LIMIT 1", ["IF(1,2,3)", "'a,b'"]),
    ("SELECT 1 AS a, 2 AS A, 3 AS a", ["a", "A1", "a2"]),
    ("SELECT * FROM clinic", ["ClinicNum", "Description", "Abbr", "IsHidden"]),
    ("SELECT d.*, d.b AS c FROM (SELECT 1 AS a, 2 b FROM DUAL) d", ["a", "b", "c"]),
]


@pytest.mark.parametrize(("sql", "names"), NAMES, ids=[sql for sql, _ in NAMES])
def test_result_columns_are_named_as_written(sql: str, names: list[str]) -> None:
    assert list(practice(guarantors=1, clinics=1).short_query(sql)[0]) == names


ROWS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT ClinicNum FROM CLINIC ORDER BY clinicnum DESC LIMIT 2", [(4,), (3,)]),
    ("SELECT ClinicNum FROM clinic ORDER BY 1 LIMIT 1 OFFSET 2", [(3,)]),
    ("SELECT ClinicNum FROM clinic ORDER BY 1 LIMIT 2, 1", [(3,)]),
    (
        "SELECT ClinicNum MOD 2 AS odd, COUNT(*), SUM(ClinicNum) FROM clinic GROUP BY odd ORDER BY odd",
        [(0, 2, 6), (1, 2, 4)],
    ),
    ("SELECT ClinicNum DIV 3 g FROM clinic GROUP BY g HAVING COUNT(*) = 2 ORDER BY g", [(0,), (1,)]),
    ("SELECT MIN(ClinicNum), MAX(ClinicNum), AVG(ClinicNum), COUNT(DISTINCT IsHidden) FROM clinic", [(1, 4, 2.5, 2)]),
    ("SELECT DISTINCT IsHidden FROM clinic ORDER BY IsHidden", [(0,), (1,)]),
    ("SELECT GROUP_CONCAT(ClinicNum ORDER BY ClinicNum DESC SEPARATOR ';') FROM clinic", [("4;3;2;1",)]),
    ("SELECT GROUP_CONCAT(DISTINCT IsHidden ORDER BY IsHidden) FROM clinic", [("0,1",)]),
    (
        "SELECT GROUP_CONCAT(Abbr, '-', ClinicNum ORDER BY IsHidden, ClinicNum DESC) FROM clinic",
        [("C3-3,C2-2,C1-1,C4-4",)],
    ),
    ("SELECT GROUP_CONCAT(IF(IsHidden, NULL, ClinicNum) ORDER BY ClinicNum) FROM clinic", [("1,2,3",)]),
    ("SELECT GROUP_CONCAT(CASE WHEN IsHidden THEN 'x' ELSE 'y' END ORDER BY ClinicNum) FROM clinic", [("y,y,y,x",)]),
    ("SELECT GROUP_CONCAT(CASE IsHidden WHEN 1 THEN ClinicNum END) FROM clinic", [("4",)]),
    ("SELECT GROUP_CONCAT(ClinicNum) FROM clinic WHERE 1=0", [(None,)]),
    ("SELECT a.ClinicNum, b.ClinicNum FROM clinic a JOIN clinic b ON b.ClinicNum=a.ClinicNum+3", [(1, 4)]),
    ("SELECT COUNT(*) FROM clinic a, clinic b WHERE a.ClinicNum < b.ClinicNum", [(6,)]),
    (
        "SELECT a.ClinicNum FROM clinic a WHERE EXISTS (SELECT 1 FROM clinic b WHERE b.ClinicNum = a.ClinicNum*4)",
        [(1,)],
    ),
    ("SELECT ClinicNum FROM clinic WHERE ClinicNum IN (SELECT 2) OR Description='CLINIC 3' ORDER BY 1", [(2,), (3,)]),
    ("SELECT c.n, g.* FROM (SELECT 1 AS n) c LEFT JOIN (SELECT ClinicNum FROM clinic WHERE 1=0) g ON 1=1", [(1, None)]),
]


@pytest.mark.parametrize(("sql", "rows"), ROWS, ids=[sql for sql, _ in ROWS])
def test_a_query_gives_what_mysql_gives(sql: str, rows: list[tuple[Any, ...]]) -> None:
    office = practice(guarantors=1, clinics=4)
    assert [tuple(row.values()) for row in office.short_query(sql)] == rows


def test_minus_zero_is_still_minus_zero_as_a_number() -> None:
    (row,) = practice(guarantors=1).short_query("SELECT ROUND(-0.3) AS a, ROUND(-0.3)+0 AS b")
    assert (str(row["a"]), str(row["b"])) == ("-0.0", "0.0")


def test_group_concat_is_cut_in_bytes_and_never_inside_a_character() -> None:
    office = practice(guarantors=30, group_concat_max_len=4)
    (row,) = office.short_query(
        "SELECT GROUP_CONCAT('ab') AS a, GROUP_CONCAT('éé') AS e, GROUP_CONCAT('aéé') AS o FROM patient"
    )
    assert row == {"a": "ab,a", "e": "éé", "o": "aé"}


def test_a_text_that_looks_like_a_datetime_stays_a_text() -> None:
    (row,) = practice().short_query("SELECT ValueString FROM preference WHERE PrefName='AgingServiceTimeDue'")
    assert row == {"ValueString": "2000-01-01 02:00:00"}
