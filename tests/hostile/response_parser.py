"""The targets that responses of the API reach: rows of every kind, errors, and incoming bytes."""

import asyncio
import gzip
import random
import ssl
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import httpx

from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.packing import PackedColumnTruncated
from oddaemon.opendental.decode import PreferencePage
from oddaemon.opendental.decode_values import MalformedValue
from oddaemon.opendental.response import (
    ApiError,
    Limits,
    Response,
    classify_error_response,
    send_request,
)
from tests.hostile.mutation import Mutator
from tests.hostile.target import KEYS, Violation, assert_bounded, assert_no_numbers
from tests.opendental.response_bodies import GOOD, READERS, encode_rows

SECRETS = tuple(map(Secret, KEYS))
NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
ERRORS = (
    b'"The office\'s eConnector is not running. Please contact the office to start their eConnector."',
    b'"API key has not been assigned."',
    b'Error. This is most likely a version issue. "Query cannot contain \\"SCHEMA\\"."',
    b"<html><head><style>a{}</style><script>x()</script></head><body><h1>502 Bad Gateway</h1></body></html>",
    f'{{"error": "invalid_key", "key": "ODFHIR {KEYS[0]}/{KEYS[1]}"}}'.encode(),
    b"You have an error in your SQL syntax near 'SELECT' at line 1",
    b"<" * 3000 + b"<script" * 800,
    b"",
    b'"' + "".join(f"\\u{ord(letter):04x}" for letter in KEYS[0]).encode() + b'"',
    "".join(f"&#{ord(letter)};" for letter in KEYS[1]).encode(),
    f"key {KEYS[0]}".encode("utf-16-le"),
    b"&#" + b"1" * 5000 + b";&#x" + b"f" * 5000,
)
RETRY_AFTER = (
    *("0", "5", "-1", "1e400", "nan", "1e308", " 7 ", "7.5", "0x10", "", ",", "Wed,", "Wed, 21 Oct 2026 07:28:00 GMT"),
    *("Wed, 21 Oct 99999 07:28:00 GMT", "Wed, 31 Feb 2026 07:28:00 GMT", "1 Jan 0001 00:00:00 +2359", "a b c d e f g"),
    *("Wed, 21 Oct 2026 07:28:00 -9999", "21-Oct-26 25:61:61 +99999999", "Thu, 1 Jan 1970 00:00", "٣", "1" * 5000),
)  # fmt: skip
STATUSES = (300, 301, 302, 307, 400, 401, 403, 404, 408, 410, 413, 418, 429, 500, 502, 503, 504, 599, 600, 999)
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
BYTES_MAX = 20_000
LIMITS = Limits(10.0, 65.0, BYTES_MAX)
MESSAGE_CHARACTERS_MAX = 200


class RowsTarget:
    """The body of a response, parsed by each parser of rows."""

    name = "rows"

    def make_input(self, number: int, seed: int) -> bytes:
        rng = random.Random(f"{seed}/{self.name}/{number}")
        mutator = Mutator(rng)
        kind = rng.choice(sorted(GOOD))
        if rng.random() < 0.6:
            return mutator.mutate_rows(GOOD[kind]())
        return mutator.mutate_bytes(encode_rows(GOOD[kind]()), [encode_rows(rows()) for rows in GOOD.values()])

    def feed(self, sent: bytes) -> Iterable[str]:
        for read in READERS.values():
            try:
                found = read(sent)
                # The names of other preferences are compared and not used.
                assert_bounded(found.value if isinstance(found, PreferencePage) else found)
            except (MalformedValue, PackedColumnTruncated) as error:
                assert_no_numbers(str(error), sent)
                yield str(error)


class ErrorsTarget:
    """A response that is not a success: its body, its status and its Retry-After."""

    name = "refusals"

    def make_input(self, number: int, seed: int) -> bytes:
        rng = random.Random(f"{seed}/{self.name}/{number}")
        mutator = Mutator(rng)
        header = rng.choice(RETRY_AFTER).encode()
        if rng.random() < 0.7:
            header = mutator.mutate_bytes(header, [text.encode() for text in RETRY_AFTER])[:9000]
        body = mutator.mutate_bytes(rng.choice(ERRORS), ERRORS)
        return b"%d\n%s\n%s" % (rng.choice(STATUSES), header.replace(b"\n", b" "), body)

    def feed(self, sent: bytes) -> Iterable[str]:
        status, header, body = [*sent.split(b"\n", 2), b"", b""][:3]
        answer = Response(int(status) if status.isdigit() else 400, body, header.decode("latin-1"))
        for query in (False, True):
            failure = classify_error_response(answer, SECRETS, NOW, is_query=query)
            seconds = failure.retry_after_seconds
            if seconds is not None and not 0 <= seconds < float("inf"):
                raise Violation(f"asked again after {seconds} s")
            if len(failure.message) > MESSAGE_CHARACTERS_MAX or not failure.message.isprintable():
                raise Violation(f"a message is too long or holds control characters: {failure.message!r}")
            yield failure.sentence


class BodiesTarget:
    """The incoming bytes of a body: in chunks, compressed, or only declared as compressed."""

    name = "bodies"

    def make_input(self, number: int, seed: int) -> bytes:
        rng = random.Random(f"{seed}/{self.name}/{number}")
        plain = rng.choice((b"[]", b" " * rng.randrange(BYTES_MAX * 2), rng.randbytes(300), b"x" * BYTES_MAX))
        packed = gzip.compress(plain, rng.randrange(10), mtime=0)
        candidates = (
            packed,
            packed + packed,
            packed + rng.randbytes(50),
            gzip.compress(b" " * 3_000_000, 1, mtime=0),
            plain,
        )
        return bytes([rng.randrange(4)]) + Mutator(rng).mutate_bytes(rng.choice(candidates), (packed, plain))

    def feed(self, sent: bytes) -> Iterable[str]:
        return [asyncio.run(_receive(sent))]


class _ChunkedTransport(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """Sends what it was given, in chunks."""

    def __init__(self, sent: bytes) -> None:
        self._coding, self._body = (b"gzip", b"x-gzip", b"GZIP ", b"identity")[sent[0] % 4 if sent else 3], sent[1:]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        return httpx.Response(200, headers=[(b"content-encoding", self._coding)], stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 1024):
            yield self._body[start : start + 1024]

    async def aclose(self) -> None:
        pass


async def _receive(sent: bytes) -> str:
    async with httpx.AsyncClient(transport=_ChunkedTransport(sent), verify=_TLS, trust_env=False) as client:
        try:
            request = client.build_request("GET", "http://127.0.0.1/")
            answer = await send_request(client, request, LIMITS)
        except ApiError as error:
            return str(error)
    if len(answer.body) > BYTES_MAX:
        raise Violation(f"a body of {len(answer.body)} bytes was let in")
    return ""
