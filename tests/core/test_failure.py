import time

import pytest

from oddaemon.core.failure import MESSAGE_CHARACTERS_MAX, RULES, Failure, Kind, Policy, classify, trimmed

ECONNECTOR = "The office's eConnector is not running. Please contact the office to start their eConnector."
SYNTAX = (
    "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for the "
    "right syntax to use near 'FORM patient' at line 1"
)

ANSWERS = [
    # Documented or seen.
    (400, f'"{ECONNECTOR}"', Kind.ECONNECTOR_DOWN, Kind.ECONNECTOR_DOWN),
    (400, '"API key has not been assigned."', Kind.KEY_UNASSIGNED, Kind.KEY_UNASSIGNED),
    (400, "Error. This is most likely a version issue.", Kind.VERSION_TOO_OLD, Kind.VERSION_TOO_OLD),
    (401, 'Query cannot contain "SCHEMA".', Kind.QUERY_REFUSED, Kind.KEY_REJECTED),
    (504, "<html><body>504 Gateway Time-out</body></html>", Kind.GATEWAY_TIMEOUT, Kind.GATEWAY_TIMEOUT),
    (429, "", Kind.THROTTLED, Kind.THROTTLED),
    # Near to those, or what else may come.
    (400, "Two eConnectors are running.", Kind.ECONNECTOR_DOWN, Kind.ECONNECTOR_DOWN),
    (400, "Unable to connect to the office.", Kind.OFFICE_NETWORK, Kind.OFFICE_NETWORK),
    (400, "The request timed out.", Kind.OFFICE_NETWORK, Kind.OFFICE_NETWORK),
    (400, "Please update Open Dental.", Kind.VERSION_TOO_OLD, Kind.VERSION_TOO_OLD),
    (400, SYNTAX, Kind.SQL_ERROR, Kind.UNKNOWN_400),
    (400, "Unknown column 'BalTotl' in 'field list'", Kind.SQL_ERROR, Kind.UNKNOWN_400),
    (400, "Table 'opendental.patient' doesn't exist", Kind.SQL_ERROR, Kind.UNKNOWN_400),
    (400, 'Query cannot contain "SCHEMA".', Kind.QUERY_REFUSED, Kind.UNKNOWN_400),
    (400, "", Kind.UNKNOWN_400, Kind.UNKNOWN_400),
    (400, "<html>Bad Request</html>", Kind.UNKNOWN_400, Kind.UNKNOWN_400),
    (401, "", Kind.UNKNOWN_401, Kind.KEY_REJECTED),
    (401, "Invalid API key.", Kind.UNKNOWN_401, Kind.KEY_REJECTED),
    (401, "API key has not been assigned.", Kind.UNKNOWN_401, Kind.KEY_UNASSIGNED),
    (401, "The key does not have permission for this.", Kind.UNKNOWN_401, Kind.PERMISSION_MISSING),
    (403, "", Kind.UNKNOWN_401, Kind.KEY_REJECTED),
    (403, "This word is not allowed in a query.", Kind.QUERY_REFUSED, Kind.KEY_REJECTED),
    (404, "", Kind.NOT_FOUND, Kind.NOT_FOUND),
    (410, "", Kind.NOT_FOUND, Kind.NOT_FOUND),
    (408, "", Kind.TIMEOUT, Kind.TIMEOUT),
    (413, "", Kind.QUERY_REFUSED, Kind.UNEXPECTED_STATUS),
    (500, "<html>", Kind.SERVER_ERROR, Kind.SERVER_ERROR),
    (503, "", Kind.SERVER_ERROR, Kind.SERVER_ERROR),
    (599, "", Kind.SERVER_ERROR, Kind.SERVER_ERROR),
    (301, "", Kind.UNEXPECTED_STATUS, Kind.UNEXPECTED_STATUS),
    (418, "", Kind.UNEXPECTED_STATUS, Kind.UNEXPECTED_STATUS),
    (600, "", Kind.UNEXPECTED_STATUS, Kind.UNEXPECTED_STATUS),
]


@pytest.mark.parametrize(("status", "body", "of_query", "of_get"), ANSWERS)
def test_an_answer_is_named_by_its_status_and_text(status: int, body: str, of_query: Kind, of_get: Kind) -> None:
    assert classify(status, body, query=True) is of_query
    assert classify(status, body, query=False) is of_get


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", ["", ECONNECTOR, "Invalid key", "permission", "not been assigned", "<html>", SYNTAX])
def test_a_refused_query_alone_never_blocks_an_office(status: int, body: str) -> None:
    assert RULES[classify(status, body, query=True)].policy is not Policy.BLOCK


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_rule_that_tells_what_to_do(kind: Kind) -> None:
    rule = Failure(kind).rule
    assert rule.meaning
    assert not rule.meaning.endswith(".")
    assert rule.advice.endswith(".")


def test_the_sentence_holds_the_meaning_the_status_and_the_other_sides_own_words() -> None:
    assert Failure(Kind.SERVER_ERROR, "Oops.", 500).sentence == "the API has an error of its own (HTTP 500): Oops."
    assert Failure(Kind.TIMEOUT).sentence == "no answer in time"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('"API key has not been assigned."', "API key has not been assigned."),
        ("<html><head><style>p {\n}</style></head><p>502 Bad\nGateway</p></html>", "502 Bad Gateway"),
        ("<script>let a = '<p>';</script >Sorry", "Sorry"),
        ("<style>p {} never closed", ""),
        ("near 'WHERE BalTotal < 5 AND PatNum > 3'", "near 'WHERE BalTotal < 5 AND PatNum > 3'"),
        ("one\r\n\ttwo\u2028three\x1b[31mfour\x00", "one two three [31mfour"),
        ("", ""),
    ],
)
def test_trimmed_keeps_the_words(body: str, words: str) -> None:
    assert trimmed(body) == words


@pytest.mark.parametrize("body", ["word " * 100, "x" * 201, "é" * 30_000])
def test_trimmed_is_never_longer_than_200_characters(body: str) -> None:
    assert len(trimmed(body)) <= MESSAGE_CHARACTERS_MAX == 200
    assert trimmed(body).endswith("…")


@pytest.mark.parametrize("hostile", ["<", "<a", "<script", "<script>", "<style", "< /"])
def test_no_body_takes_long_to_trim(hostile: str) -> None:
    started = time.process_time()
    trimmed(hostile * 20_000)
    assert time.process_time() - started < 0.5
