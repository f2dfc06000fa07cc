"""What a hostile PostgreSQL server may say, at each point of a login and of a delivery."""

import struct
from collections.abc import Callable, Iterator

from oddaemon.core.snapshot.payload import Payload
from tests.hostile.postgres.server import (
    BOOL,
    COPY_IN,
    INT4,
    LOGIN,
    TEXT,
    HostilePostgres,
    make_answer,
    make_good_answers,
    make_message,
    make_parameter,
    make_row,
)

GIGABYTE = 2**30
ENCODINGS = (b"", b"UTF16", b"nonsense", b"\xff\xfe", b"EUC_TW", b"SQL_ASCII", b"MULE_INTERNAL", b"x" * 5000, b"idna")
VERSIONS = (b"", b"abc", b"-1", b"9" * 400, b"16.2.3.4.5", b"\xff", b"8.1")


def make_auth(number: int, rest: bytes = b"") -> bytes:
    return make_message(b"R", struct.pack("!I", number) + rest)


def continue_sasl(iterations: int) -> Callable[[bytes], bytes]:
    """A login that goes on with what the client began, and asks it to hash so often."""

    def answer(request: bytes) -> bytes:
        return make_auth(11, b"r=%sxyz,s=c2FsdHNhbHQ=,i=%d" % (request.rpartition(b"r=")[2], iterations))

    return answer


CORRUPTED: dict[str, bytes] = {
    "SASLContinue without SASL": make_auth(11, b"r=x,s=eA==,i=1"),
    "SASLFinal without SASL": make_auth(12, b"v=eA=="),
    "an error without fields": make_message(b"E", b"\0"),
    "an error without a severity": make_message(b"E", b"Mhello\0C42501\0\0"),
    "an error that is not UTF-8": make_message(b"E", b"SERROR\0C42\xff01\0M\xff\xfe\xed\xa0\x80\0\0"),
    "an error without an end": make_message(b"E", b"SERROR"),
    "an error of nothing": make_message(b"E"),
    "an error of a megabyte": make_message(b"E", b"SERROR\0C23505\0M" + b"x" * 2**20 + b"\0\0"),
    "a hundred thousand columns": make_message(b"T", b"\xff\xff" + b"f\0" * 50),
    "a column without a name": make_message(b"T", b"\0\1" + b"f" * 20),
    "columns cut short": make_message(b"T", b"\0\5f\0"),
    "no columns at all": make_answer(b"SELECT 1", make_message(b"T", b"\0\0") + make_message(b"D", b"\0\0")),
    "a row without columns": make_message(b"D", b"\0\1\0\0\0\1x"),
    "a row of other columns": make_row((INT4, b"1")) + make_message(b"D", b"\0\7" + b"\xff" * 28),
    "a cell of two gigabytes": make_row((INT4, b"1")) + make_message(b"D", b"\0\1\x7f\xff\xff\xffx"),
    "a cell of less than nothing": make_row((INT4, b"1")) + make_message(b"D", b"\0\1\xff\xff\xff\xf0"),
    "a number that is none": make_answer(b"SELECT 1", make_row((INT4, b"abc"))),
    "a number of 4000 digits": make_answer(b"SELECT 1", make_row((INT4, b"9" * 5000))),
    "a boolean that is none": make_answer(b"SELECT 1", make_row((BOOL, b"maybe"))),
    "an empty boolean": make_answer(b"SELECT 1", make_row((BOOL, b""))),
    "a date that is none": make_answer(b"SELECT 1", make_row((1082, b"0000-99-99"))),
    "an instant beyond time": make_answer(b"SELECT 1", make_row((1184, b"294277-01-01 00:00:00+00"))),
    "an array that is none": make_answer(b"SELECT 1", make_row((1007, b"{{{{{"))),
    "JSON that is none": make_answer(b"SELECT 1", make_row((114, b"[" * 100_000))),
    "a UUID that is none": make_answer(b"SELECT 1", make_row((2950, b"x"))),
    "an address that is none": make_answer(b"SELECT 1", make_row((869, b"1.2.3.4.5"))),
    "an interval that is none": make_answer(b"SELECT 1", make_row((1186, b"99999999999999 years"))),
    "bytes that are none": make_answer(b"SELECT 1", make_row((17, b"\\xzz"))),
    "a text that is not UTF-8": make_answer(b"SELECT 1", make_row((TEXT, b"\xff\xfe\xed\xa0\x80"))),
    "a type of no kind": make_answer(b"SELECT 1", make_row((2**31, b"x"))),
    "a thousand rows": make_answer(b"SELECT 1", make_row((INT4, b"1")) * 1000),
    "a tag that is none": make_answer(b"\xff\xfe 9999999999999999999999"),
    "a tag without an end": make_message(b"C", b"INSERT 0 1") + make_message(b"Z", b"T"),
    "a status that is none": make_message(b"C", b"SELECT 1\0") + make_message(b"Z", b"?"),
    "a rollback": make_answer(b"ROLLBACK", status=b"I"),
    "COPY out": make_message(b"H", b"\0\0\1\0\0") + make_message(b"d", b"x" * 1000),
    "COPY both": make_message(b"W", b"\0\0\1\0\0"),
    "COPY in": COPY_IN,
    "COPY in of half a message": make_message(b"G", b"\0\xff\xff\0"),
    "a function's result": make_message(b"V", b"\0\0\0\4abcd"),
    "a notification without an end": make_message(b"A", b"\0\0\0\1x"),
    "an empty query": make_message(b"I") + make_message(b"Z", b"T"),
    "a suspended portal": make_message(b"s") + make_message(b"Z", b"T"),
    "parameters of a statement": make_message(b"t", b"\xff\xff"),
    "another protocol": make_message(b"v", struct.pack("!II", 196608, 2**31) + b"_pq_.x\0"),
    "a key of no length": make_message(b"K"),
    "a key of a thousand bytes": make_message(b"K", b"x" * 1000),
    "a parameter without a value": make_message(b"S", b"client_encoding"),
    "a kind of no kind": make_message(b"\0", b"x"),
    "a page of the web": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n",
    "nothing": b"",
    **{f"a size of {size}": make_message(b"D", b"x", size) for size in (0, 1, 3, -1, -(2**31), 2**31 - 1)},
    **{f"an error's size of {size}": make_message(b"E", b"x", size) for size in (0, 3, -1, 2**31 - 1, 40_000)},
    **{
        f"the encoding {each[:12]!r}": make_parameter(b"client_encoding", each) + make_answer(b"OK")
        for each in ENCODINGS
    },
}
"""Each is sent once, instead of an answer; then the server closes."""

FLOODS: dict[str, bytes] = {
    "notices": make_message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 1000 + b"\0\0") * 60,
    "parameters": b"".join(make_parameter(b"p%d" % number, b"x") for number in range(4000)),
    "notifications": make_message(b"A", b"\0\0\0\1x\0y\0") * 4000,
    "an error without an end": b"x" * 2**20,
    "rows": make_row((TEXT, b"x" * 1000)) * 60,
}
_FIRST_OF_FLOOD = {"an error without an end": make_message(b"E", b"", GIGABYTE)}


def make_scripts(payload: Payload) -> Iterator[tuple[str, HostilePostgres]]:
    """Every script with its name."""
    good = make_good_answers(payload)
    for name, corrupted in CORRUPTED.items():
        for number in (0, 1, 4, 6, 11, 12, 13, 18, 19):
            yield f"{name}, as answer {number}", HostilePostgres([*good[:number], corrupted])
    yield from _make_logins()
    for name, flood in FLOODS.items():
        for number in (1, 6, 12):
            answers = [*good[:number], _FIRST_OF_FLOOD.get(name, b"")]
            yield f"endless {name} after answer {number}", HostilePostgres(answers, endless=flood)
    drip = make_message(b"E", b"", 20_000)
    for number in (0, 1, 12, 19):
        yield f"silence after answer {number}", HostilePostgres([*good[:number], b""], is_silent=True)
        yield (
            f"a slow drip after answer {number}",
            HostilePostgres([*good[:number], drip], endless=b"x", pause_seconds=0.05, is_silent=True),
        )


def _make_logins() -> Iterator[tuple[str, HostilePostgres]]:
    for number in (*range(1, 14), 99, 2**31, 2**32 - 1):
        for rest in (b"", b"abcd", b"\xff" * 200, b"SCRAM-SHA-256\0\0", b"OAUTHBEARER\0\0"):
            yield f"authentication {number} {rest[:13]!r}", HostilePostgres([make_auth(number, rest), LOGIN])
    sasl = make_auth(10, b"SCRAM-SHA-256\0\0")
    for rest in (
        b"",
        b"r=",
        b"r=x,s=,i=0",
        b"r=x,s=eA==,i=-1",
        b"m=x",
        b"\xff\xfe",
        b"r=" + b"x" * 1500,
        b"e=other-error",
    ):
        yield f"a login that continues {rest[:15]!r}", HostilePostgres([sasl, make_auth(11, rest), LOGIN])
    for value in ENCODINGS:
        yield (
            f"client_encoding {value[:12]!r}",
            HostilePostgres(
                [LOGIN[:9] + make_parameter(b"client_encoding", value) + LOGIN[9:-6] + make_message(b"Z", b"I")]
            ),
        )
    for value in VERSIONS:
        login = LOGIN[:9] + make_parameter(b"server_version", value) + make_message(b"Z", b"I")
        yield f"server_version {value[:12]!r}", HostilePostgres([login])
    for first in (b"", b"E", b"X", b"SS", b"S" + b"\x16\x03\x03\xff\xff" + b"x" * 300, b"S" + b"\0" * 100, b"G", LOGIN):
        yield f"TLS answered by {first[:8]!r}", HostilePostgres([LOGIN], to_ssl_request=first, is_silent=True)
    for kept in range(1, len(LOGIN), 7):
        yield f"a login cut after {kept} bytes", HostilePostgres([LOGIN[:kept]])
