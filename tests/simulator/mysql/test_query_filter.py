"""What an office does not let through, and what its database says to nonsense."""

import pytest

from oddaemon.simulator.mysql.query_filter import QueryRefused, SqlFailed
from tests.simulator.sample_practice import make_practice

REFUSED = [
    ("SELECT 1 FROM information_schema.tables", 'Query cannot contain "SCHEMA".'),
    ("SELECT 'my Schematic'", 'Query cannot contain "SCHEMA".'),
    ("DELETE FROM patient", "Query must start with SELECT."),
    ("UPDATE patient SET BalTotal=0", "Query must start with SELECT."),
    ("WITH x AS (SELECT 1) SELECT * FROM x", "Query must start with SELECT."),
    ("/* hi */ SELECT 1", "Query must start with SELECT."),
    ("", "Query must start with SELECT."),
    ("SELECT 1; DELETE FROM patient", 'Query cannot contain ";".'),
    ("SELECT 1;", 'Query cannot contain ";".'),
    ("SELECT 1 -- one", 'Query cannot contain "COMMENTS".'),
    ("SELECT 1 # one", 'Query cannot contain "COMMENTS".'),
    ("SELECT /*!50000 1 */ 2", 'Query cannot contain "COMMENTS".'),
    ("SELECT 1 INTO OUTFILE 'x'", 'Query cannot contain "INTO".'),
    ("SELECT PatNum FROM patient FOR UPDATE", 'Query cannot contain "UPDATE".'),
    ("SELECT PatNum FROM patient LOCK IN SHARE MODE", 'Query cannot contain "LOCK".'),
]

SYNTAX = "You have an error in your SQL syntax"

FAILING = [
    ("SELECT nosuch FROM patient", "Unknown column 'nosuch' in 'field list'"),
    ("SELECT p.nosuch FROM patient p", "Unknown column 'p.nosuch' in 'field list'"),
    ("SELECT PatNum FROM patient WHERE nosuch=1", "Unknown column 'nosuch' in 'where clause'"),
    ("SELECT PatNum FROM patient ORDER BY nosuch", "Unknown column 'nosuch' in 'order clause'"),
    ("SELECT PatNum AS n FROM patient WHERE n=1", "Unknown column 'n' in 'where clause'"),
    ("SELECT `1 OR 1=1` FROM patient", "Unknown column '1 OR 1=1' in 'field list'"),
    ("SELECT ClinicNum FROM patient, clinic", "Column 'ClinicNum' in field list is ambiguous"),
    ("SELECT x.* FROM patient p", "Unknown table 'x'"),
    ("SELECT 1 FROM patient, patient", "Not unique table/alias: 'patient'"),
    ("SELECT 1 FROM nosuch", "Table 'opendental.nosuch' doesn't exist"),
    ("SELECT name FROM sqlite_master", "Table 'opendental.sqlite_master' doesn't exist"),
    ("SELECT * FROM (SELECT 1)", "Every derived table must have its own alias"),
    ("SELECT NOSUCH(1)", "FUNCTION opendental.NOSUCH does not exist"),
    ("SELECT RANDOMBLOB(9)", "FUNCTION opendental.RANDOMBLOB does not exist"),
    ("SELECT PatNum FROM patient WHERE ClinicNum=@ClinicNum", "Parameter '@ClinicNum' must be defined."),
    ("SELECT SUM(COUNT(*)) FROM patient", "Invalid use of group function"),
    ("SELECT CRC32(1, 2)", "Incorrect parameter count"),
    ("SELECT ROW_NUMBER() OVER (ORDER BY PatNum) FROM patient", "does not exist"),
    ("SELECT SUM(BalTotal) OVER () FROM patient", "does not exist"),
    ("SELECT JSON_OBJECT('a', 1)", "does not exist"),
    ("SELECT JSON_ARRAYAGG(PatNum) FROM patient", "does not exist"),
    ("SELECT a FROM (WITH x AS (SELECT 1 AS a) SELECT a FROM x) y", SYNTAX),
    ("SELECT PatNum FROM patient QUALIFY PatNum > 1", SYNTAX),
    ("SELECT 1 UNION SELECT 2", SYNTAX),
    ("SELECT", SYNTAX),
    ("SELECT PatNum FROM", SYNTAX),
    ("SELECT PatNum FROM patient WHERE (PatNum=1", SYNTAX),
    ("SELECT PatNum, FROM patient GROUP BY", SYNTAX),
    ("SELECT 'unfinished", SYNTAX),
    ("SELECT PatNum, FROM patient", "near 'FROM patient' at line 1"),
    ("SELECT CONCAT('a',)", SYNTAX),
    ("SELECT PatNum,", SYNTAX),
    ("SELECT PatNum AS group FROM patient", SYNTAX),
    ("SELECT 1 AS rank", SYNTAX),
    ("SELECT 1 AS dual FROM dual", SYNTAX),
    ("SELECT 1.005*100", "Exact decimals are not supported"),
    ("SELECT ROUND(2.5)", "Exact decimals are not supported"),
    ("SELECT PatNum/3 FROM patient", "Exact decimals are not supported"),
]


@pytest.mark.parametrize(("sql", "message"), REFUSED, ids=[sql for sql, _ in REFUSED])
def test_what_is_not_one_plain_select_is_refused(sql: str, message: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        make_practice(guarantors=1).run_short_query(sql)
    assert str(refusal.value) == message


@pytest.mark.parametrize(("sql", "message"), FAILING, ids=[sql for sql, _ in FAILING])
def test_what_the_database_cannot_run_fails_in_its_words(sql: str, message: str) -> None:
    with pytest.raises(SqlFailed) as failure:
        make_practice(guarantors=1).run_short_query(sql)
    assert message in str(failure.value)


def test_a_semicolon_inside_a_text_is_only_text() -> None:
    assert make_practice(guarantors=1).run_short_query("SELECT 'a;b' AS x") == [{"x": "a;b"}]


def test_a_quoted_word_may_be_a_name_whatever_it_is() -> None:
    assert make_practice(guarantors=1).run_short_query("SELECT 1 AS `group` FROM DUAL") == [{"group": 1}]


def test_one_office_may_refuse_more_words_than_another() -> None:
    strict, usual = make_practice(refuses=("GROUP_CONCAT",)), make_practice()
    sql = "SELECT group_concat(PatNum) AS x FROM patient WHERE PatNum=1"
    assert usual.run_short_query(sql) == [{"x": "1"}]
    with pytest.raises(QueryRefused, match=r'^Query cannot contain "GROUP_CONCAT"\.$'):
        strict.run_short_query(sql)


def test_a_refusal_is_no_verdict_on_the_next_statement() -> None:
    office = make_practice(guarantors=1)
    for _ in range(2):
        with pytest.raises(SqlFailed):
            office.run_short_query("SELECT nosuch FROM patient")
        assert office.run_short_query("SELECT 1 AS x") == [{"x": 1}]
