import json

import pytest

from oddaemon.core.failures.classify import (
    MESSAGE_CHARACTERS_MAX,
    classify_response,
    classify_success_text,
    extract_message,
)
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.failures.origin import HOST_FAILURES
from oddaemon.core.failures.recovery import Recovery
from oddaemon.core.secret import Secret
from tests.core.failures.response_corpus import RESPONSES, CorpusResponse
from tests.stopwatch import measure_cpu_seconds

# ruff: noqa: RUF001  typographic apostrophes and hyphens are what some of these are about


def format_response(response: CorpusResponse) -> str:
    return f"{response.status} {response.body[:40]!r}"


@pytest.mark.parametrize("response", RESPONSES, ids=format_response)
def test_an_answer_is_named_by_its_status_and_words(response: CorpusResponse) -> None:
    named = (
        classify_response(response.status, response.body, query=False),
        classify_response(response.status, response.body, query=True),
    )
    assert named == (response.get_kind, response.query_kind)


@pytest.mark.parametrize("response", RESPONSES, ids=format_response)
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_query_alone_is_no_verdict_on_the_key(status: int, response: CorpusResponse) -> None:
    assert classify_response(status, response.body, query=True).recovery in (Recovery.CONFIRM, Recovery.RETRY)


@pytest.mark.parametrize("response", [said for said in RESPONSES if said.status == 400], ids=format_response)
def test_case_and_typography_say_nothing(response: CorpusResponse) -> None:
    typeset = (
        response.body.replace("'", "’").replace("-", "‑")
        if not response.body.startswith(("<", "{", "["))
        else response.body
    )
    for body in (response.body.swapcase(), "\ufeff" + response.body, typeset, f"\n\t {response.body} \n"):
        assert classify_response(400, body, query=False) is response.get_kind


def test_the_corpus_is_large_and_names_every_kind_that_an_answer_can_have() -> None:
    assert len(set(RESPONSES)) == len(RESPONSES) >= 300
    named = {kind for response in RESPONSES for kind in (response.get_kind, response.query_kind)}
    of_other_origin = {
        *(
            FailureKind.TLS,
            FailureKind.CONNECTION_LOST,
            FailureKind.MALFORMED,
            FailureKind.OVERSIZED,
            FailureKind.TOO_MANY_GUARANTORS,
            FailureKind.COLUMN_TRUNCATED,
            FailureKind.TOO_SPARSE,
        ),
        *(
            FailureKind.INCOMPLETE,
            FailureKind.AGING_CHANGED,
            FailureKind.OTHER_DATABASE,
            FailureKind.IMPLAUSIBLE,
            FailureKind.HEADQUARTERS_DOWN,
            FailureKind.STORE,
        ),
        *(HOST_FAILURES | {FailureKind.NAME_UNRESOLVED, FailureKind.PROXY, FailureKind.PROXY_CONNECTION_LOST}),
        *(FailureKind.KEY_NEVER_ACCEPTED, FailureKind.KEY_CHANGING),
        *(
            FailureKind.UPLOAD_MISSING,
            FailureKind.UPLOAD_TOO_LARGE,
            FailureKind.UPLOAD_MISNAMED,
            FailureKind.UPLOAD_UNREADABLE,
        ),
    }
    assert named == set(FailureKind) - of_other_origin


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("eConnector is not running", FailureKind.ECONNECTOR_DOWN),
        ('"eConnector is not running"', FailureKind.ECONNECTOR_DOWN),
        ('{"Message":"eConnector is not running"}', FailureKind.ECONNECTOR_DOWN),
        ('[{"error":"eConnector is not running"}]', FailureKind.ECONNECTOR_DOWN),
        ('[{"PatNum":"7","Note":"eConnector is not running"}]', None),
        ('{"Message":7}', None),
        ("[7]", None),
        ("[]", None),
        ('[{"Message":"eConnector', None),
        ("[" * 15_000, None),
        ('"Something else."', None),
    ],
)
def test_a_success_is_an_error_where_it_is_nothing_but_a_known_text(body: str, kind: FailureKind | None) -> None:
    assert classify_success_text(body, query=True) is kind


@pytest.mark.parametrize("status", [400, 500])
def test_only_a_query_shows_that_the_offices_user_is_restricted(status: int) -> None:
    body = "SELECT command denied to user 'od'@'pc' for table 'patient'"
    assert classify_response(status, body, query=True) is FailureKind.QUERY_USER_RESTRICTED
    assert classify_response(status, body, query=False) is not FailureKind.QUERY_USER_RESTRICTED


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('"API key has not been assigned."', "API key has not been assigned."),
        ('"The office\\u2019s eConnector"', "The office’s eConnector"),
        ('"\\"twice\\""', "twice"),
        ('{"message":"Sorry.","traceId":"00-84c1"}', "Sorry."),
        ('{"error":{"code":7,"message":"Sorry."}}', "Sorry."),
        ('{"errors":[{"detail":"One."},{"detail":"Two."}]}', "One. Two."),
        ('{"code":"E7","hint":"Sorry."}', "E7 Sorry."),
        ('{"message":', '{"message":'),
        ("{}", ""),
        ("<html><head><style>p {\n}</style></head><p>502 Bad\nGateway</p></html>", "502 Bad Gateway"),
        ("<script>let a = '<p>';</script >Sorry", "Sorry"),
        ("<style>p {} never closed", ""),
        ("<p>Query cannot contain &quot;SCHEMA&quot;.</p>", 'Query cannot contain "SCHEMA".'),
        ("near 'WHERE BalTotal < 5 AND PatNum > 3'", "near 'WHERE BalTotal < 5 AND PatNum > 3'"),
        ("one\r\n\ttwo\u2028three\x1b[31mfour\x00", "one two three [31mfour"),
        ("\ufeffSorry.", "Sorry."),
        ("", ""),
    ],
)
def test_trimmed_keeps_the_words(body: str, text: str) -> None:
    assert extract_message(body) == text


@pytest.mark.parametrize("body", ["word " * 100, "x" * 201, "é" * 30_000, '{"message":"' + "word " * 100 + '"}'])
def test_trimmed_is_never_longer_than_200_characters(body: str) -> None:
    assert len(extract_message(body)) <= MESSAGE_CHARACTERS_MAX == 200
    assert extract_message(body).endswith("…")


@pytest.mark.parametrize(
    "hostile",
    [
        *("<", "<a", "<script", "<script>", "<style", "< /", "[", "{", '{"a":', '["', "&#", "&amp;", "\0", "\ufeff"),
        *("version ", "open dental ", "key ", "network ", "ip ", "query ", "e ", "update ", "table '"),
    ],
)
def test_no_body_takes_long(hostile: str) -> None:
    def classify_all() -> None:
        for status in (400, 401, 403, 500):
            extract_message(hostile * 20_000)
            classify_response(status, hostile * 20_000, query=True)
            classify_response(status, hostile * 20_000, query=False)

    assert measure_cpu_seconds(classify_all, budget=1) <= 1


@pytest.mark.parametrize("body", ['"key \\u0053ECRET1 is bad"', "key &#83;ECRET1 is bad", "key S\0E\0C\0RET1 is bad"])
def test_a_secret_is_hidden_however_it_is_spelt(body: str) -> None:
    assert extract_message(body, [Secret("SECRET1")]) == "key *** is bad"


def test_a_text_in_a_text_in_a_text_is_opened_a_few_times_and_no_more() -> None:
    body = "no such clinic"
    for _ in range(9):
        body = json.dumps(body)
    assert "no such clinic" in extract_message(body)


def test_numbers_and_nothing_in_a_body_are_no_words() -> None:
    assert extract_message('{"code": 7, "detail": null, "message": ["no such", 3.5, "clinic"]}') == "no such clinic"
