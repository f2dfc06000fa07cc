"""What a real server says to a statement that it does not take is named as the simulator's words are."""

from collections.abc import Iterator
from contextlib import closing

import pymysql
import pytest

from oddaemon.core.failures.classify import classify_response
from oddaemon.core.failures.failure import FailureKind
from oddaemon.opendental import sql
from oddaemon.simulator.mysql.query_filter import QueryRefused, SqlFailed
from oddaemon.simulator.mysql.translate import RESERVED_WORDS
from tests.mariadb.office_copy import DATABASE, Flavor, OfficeCopy
from tests.mariadb.populations import get_simulated_office
from tests.mariadb.server import MariaDbServer
from tests.mariadb.statements import OFFICES

BOTH_REFUSE = (
    "SELECT BalTotl FROM patient",
    "SELECT p.BalTotl FROM patient p",
    "SELECT PatNum FROM patient WHERE BalTotl>0",
    "SELECT PatNum FROM patient ORDER BY BalTotl",
    "SELECT PatNum AS n FROM patient WHERE n=1",
    "SELECT ClinicNum FROM patient, clinic",
    "SELECT x.* FROM patient p",
    "SELECT 1 FROM patient, patient",
    "SELECT 1 FROM patients",
    "SELECT * FROM (SELECT 1)",
    "SELECT NOSUCH(1)",
    "SELECT SUM(COUNT(*)) FROM patient",
    "SELECT PatNum FROM patient WHERE SUM(BalTotal)>0",
    "SELECT PatNum FORM patient",
    "SELECT PatNum FROM patient WHERE (PatNum=1",
    "SELECT PatNum, FROM patient",
    "SELECT PatNum FROM",
    "SELECT",
    "SELECT 'unfinished",
    "SELECT 1 AS select",
    "SELECT PatNum AS group FROM patient",
    "SELECT CONCAT_WS()",
    "SELECT ROUND()",
)
FILTERED = (
    "SELECT PatNum FROM patient; SELECT 1",
    "SELECT 1;",
    "SELECT 1 -- why",
    "SELECT /* why */ 1",
    "SELECT 1 # why",
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "SELECT TABLE_NAME FROM information_schema.TABLES",
    "UPDATE patient SET BalTotal=0",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT PatNum FROM patient FOR UPDATE",
)
"""A real server would answer most of these: it is the API that does not."""


EXCESSIVE = (
    (
        "SET SESSION sql_mode='ONLY_FULL_GROUP_BY'",
        "SELECT LName FROM patient GROUP BY ClinicNum",
        FailureKind.SQL_ERROR,
    ),
    (
        "SET SESSION sql_big_selects=0, max_join_size=1",
        "SELECT 1 FROM patient a, patient b WHERE a.LName<>b.FName",
        FailureKind.SQL_ERROR,
    ),
    ("SET SESSION lc_messages='de_DE'", "SELECT 1 FORM patient LIMIT", FailureKind.SQL_ERROR),
    ("SELECT 1", "SELECT (SELECT PatNum FROM patient)", FailureKind.SQL_ERROR),
    ("SELECT 1", "SELECT 9223372036854775807+PatNum FROM patient", FailureKind.SQL_ERROR),
    ("SELECT 1", "SELECT CONVERT('a' USING latin1) COLLATE utf8mb4_bin", FailureKind.SQL_ERROR),
    ("SET SESSION max_statement_time=0.01", "SELECT SLEEP(1) FROM patient", FailureKind.TIMEOUT),
)
"""What is set, and a statement that the server then does not take."""


@pytest.fixture
def copy(mariadb: MariaDbServer) -> Iterator[OfficeCopy]:
    with closing(
        OfficeCopy(mariadb, get_simulated_office("settled").office, Flavor("MyISAM", "latin1", "latin1"))
    ) as copy:
        yield copy


def get_error_text(copy: OfficeCopy, statement: str) -> str:
    with pytest.raises(pymysql.MySQLError) as error:
        copy.select(statement)
    return str(error.value.args[1])


@pytest.mark.parametrize("statement", BOTH_REFUSE)
def test_both_refuse_it_and_both_call_it_the_statements_fault(copy: OfficeCopy, statement: str) -> None:
    with pytest.raises(SqlFailed) as refusal:
        get_simulated_office("settled").office.run_short_query(statement)
    for text in (get_error_text(copy, statement), str(refusal.value)):
        assert classify_response(400, text, query=True) is FailureKind.SQL_ERROR, text


@pytest.mark.parametrize("statement", FILTERED)
def test_what_the_api_screens_never_reaches_a_database(statement: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        get_simulated_office("settled").office.run_short_query(statement)
    assert classify_response(401, str(refusal.value), query=True) is FailureKind.QUERY_REFUSED


def test_every_word_that_the_server_reserves_is_reserved_by_the_simulator(copy: OfficeCopy) -> None:
    known = [str(word) for (word,) in copy.select("SELECT WORD FROM information_schema.KEYWORDS")[1]]
    for keyword in (each for each in known if each.replace("_", "").isalnum()):
        try:
            copy.select(f"SELECT 1 AS {keyword}")
        except pymysql.MySQLError:
            assert keyword.upper() in RESERVED_WORDS


@pytest.mark.parametrize(("setting", "statement", "kind"), EXCESSIVE)
def test_an_excessive_statement_is_distinguished_from_an_invalid_one(
    copy: OfficeCopy, setting: str, statement: str, kind: FailureKind
) -> None:
    copy.select(setting)
    text = get_error_text(copy, statement)
    assert classify_response(400, text, query=True) is kind, text


def test_a_damaged_table_is_a_failure_of_the_office(mariadb: MariaDbServer, copy: OfficeCopy) -> None:
    copy.select("FLUSH TABLES")
    mariadb.get_table_file(DATABASE, "patient.MYI").write_bytes(b"\xfe\xfe\x07\x01" + bytes(2000))
    text = get_error_text(copy, sql.select_control(OFFICES[0]))
    assert classify_response(400, text, query=True) is FailureKind.OFFICE_DATABASE, text


def test_a_user_without_rights_has_a_kind_of_its_own(mariadb: MariaDbServer, copy: OfficeCopy) -> None:
    copy.select("CREATE OR REPLACE USER api")
    copy.select(f"GRANT SELECT ON {DATABASE}.preference TO api")
    with closing(mariadb.connect(user="api")) as connection, connection.cursor() as cursor:
        cursor.execute(f"USE {DATABASE}")
        with pytest.raises(pymysql.MySQLError) as error:
            cursor.execute(sql.select_control(OFFICES[0]))
    assert classify_response(400, str(error.value.args[1]), query=True) is FailureKind.QUERY_USER_RESTRICTED


def test_a_held_lock_is_a_failure_of_the_office(mariadb: MariaDbServer, copy: OfficeCopy) -> None:
    with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {DATABASE}.patient WRITE")
        copy.select("SET SESSION lock_wait_timeout=0")
        text = get_error_text(copy, sql.select_control(OFFICES[0]))
    assert classify_response(400, text, query=True) is FailureKind.OFFICE_DATABASE, text
