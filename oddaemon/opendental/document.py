"""Decodes a JSON list of rows as servers really send it: what is not needed does not decide.

A field that is not read may be of any type. Around a sound document there may be a byte order mark, NULs, another
encoding, half an emoji, or the object of a .NET table. A large body is decoded in slices, each of which holds Python's
interpreter lock for a few milliseconds.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from oddaemon.opendental.decode_values import Cell, MalformedValue, Row

ROWS_MAX = 20_000
"""Twice the API's limit."""
OBJECTS_MAX = 10 * ROWS_MAX
FIELDS_MAX = 1_000_000
"""Far more than any response has; counted before anything is decoded: a row may take 24 times its text in memory."""
SLICE_BYTES = 131_072
_BORDERS_MAX = 16
"""How many ends of rows are tried for a slice: the first ones may stand inside a text."""

_Cells = Mapping[str, object]
_CELLS_DECODER = msgspec.json.Decoder(list[dict[str, Cell]])
_RAW_CELLS_DECODER = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_OBJECT_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NESTED = msgspec.Raw(b"[]")
"""In place of any list or object in a cell."""
_TEXT_DECODER = msgspec.json.Decoder(str)
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_ROW_BORDER = re.compile(rb"\}\s*,\s*(?=\{)")
_BLANK = b"\0 \t\r\n"
_PLAIN_CHARSETS = {None, "utf-8", "utf8", "us-ascii"}
_CONTROL_CHARACTERS = bytes.maketrans(bytes(range(32)), b" " * 32)
"""Between values a control character is as good as a space, and inside a text JSON does not allow it."""
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""Group 1: half of a surrogate pair, as in a name that was cut in the middle of an emoji."""
_NO_NUMBER = re.compile(rb"(?<=[\[:,\s])-?(?:NaN|Infinity)(?=\s*[\]},])")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NUL_PATTERNS = {
    b"x000": "utf-32-le",
    b"000x": "utf-32-be",
    b"x0x0": "utf-16-le",
    b"0x0x": "utf-16-be",
}
"""JSON begins with ASCII: which of its first four bytes are NUL shows the encoding (RFC 4627)."""


class DecodedText(NamedTuple):
    """A body in UTF-8, and the encoding in which it came."""

    body: bytes
    encoding: str


def to_utf8(body: bytes, charset: str | None = None) -> DecodedText:
    """The text of a body without what stands around it. What its encoding does not allow becomes U+FFFD.

    Args:
        body: As received.
        charset: What the server says; used only if the bytes are not UTF-8, as servers often say what is not so.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return _transcode(body[len(mark) :], encoding)
    encoding = _NUL_PATTERNS.get(bytes(ord("x" if byte else "0") for byte in body[:4]), "utf-8")
    if encoding == "utf-8":
        try:
            body.decode()
        except UnicodeDecodeError:
            return _transcode(body, _find_encoding(charset))
        return DecodedText(body.strip(_BLANK), encoding)
    return _transcode(body, encoding)


def decode_rows(body: bytes, charset: str | None = None) -> list[Row]:
    """Decode a list of rows, in any of the forms that servers give it.

    Args:
        body: As received.
        charset: The encoding that the server names.

    Raises:
        MalformedValue: It is none; the message names the encoding and the place, and never a value.
    """
    encoding = "utf-8"
    is_plain_charset = (charset and charset.lower()) in _PLAIN_CHARSETS
    is_plain = is_plain_charset and b"\0" not in body[:4] and body[:64].lstrip().startswith(b"[")
    if not is_plain:
        body, encoding = to_utf8(body, charset)
    _require_limit("objects", body.count(b"{"), OBJECTS_MAX)
    _require_limit("fields", body.count(b":"), FIELDS_MAX)
    try:
        rows = list(map(Row, chain.from_iterable(_decode_slices(body if is_plain else _unwrap(body)))))
    except _DECODE_ERRORS as error:
        # The decoder's message has types, columns and positions, never values.
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        if isinstance(error, UnicodeDecodeError):
            what = f"invalid bytes at {error.start}"
        read_as = "" if encoding == "utf-8" else f" (read as {encoding.upper()})"
        raise MalformedValue(f"the response is not a JSON list of rows: {what}{read_as}") from None
    _require_limit("rows", len(rows), ROWS_MAX)
    return rows


def _require_limit(what: str, count: int, count_max: int) -> None:
    if count > count_max:
        raise MalformedValue(f"the response has more than {count_max:,} {what}")


def _transcode(body: bytes, encoding: str) -> DecodedText:
    return DecodedText(body.decode(encoding, "replace").encode().strip(_BLANK), encoding)


def _find_encoding(charset: str | None) -> str:
    try:
        b"x".decode(charset or "utf-8")
    except (LookupError, ValueError):
        return "utf-8"
    return charset or "utf-8"


def _unwrap(body: bytes) -> bytes:
    """The list inside the forms that .NET servers give it: a text that holds JSON, or `{"Table":[…]}`."""
    if body.startswith(b'"'):
        text = _TEXT_DECODER.decode(_repair(body)).strip()
        body = text.encode() if text.startswith(("[", "{")) else body
    if body.startswith(b"{"):
        table = _OBJECT_DECODER.decode(_repair(body)).get("Table")
        if table is None:
            raise msgspec.ValidationError("Expected `array`, got `object`")
        body = bytes(table)
    return body


def _decode_slices(body: bytes) -> Iterator[Sequence[_Cells]]:
    """Decode a list in slices of whole rows; where the end of a row stands inside a text, up to a later end."""
    start, found, failures = 0, SLICE_BYTES, 0
    while True:
        border = _ROW_BORDER.search(body, found) if len(body) - start > SLICE_BYTES else None
        text = body[start:] if border is None else body[start : border.start() + 1] + b"]"
        try:
            cells = _decode(b"[" + text if start else text)
        except _DECODE_ERRORS:
            failures += 1
            if border is None or failures == _BORDERS_MAX:
                raise
            found = border.end()
            continue
        yield cells
        if border is None:
            return
        start, found, failures = border.end(), border.end() + SLICE_BYTES, 0


def _decode(text: bytes) -> Sequence[_Cells]:
    try:
        return _CELLS_DECODER.decode(text)
    except _DECODE_ERRORS:
        # Each cell is then decoded when it is read: only a column that is needed can be at fault.
        return [
            {name: _NESTED if bytes(cell)[:1] in b"[{" else cell for name, cell in row.items()}
            for row in _RAW_CELLS_DECODER.decode(_repair(text))
        ]


def _repair(text: bytes) -> bytes:
    """The same JSON without what breaks its decoding although no needed value depends on it."""
    text = text.translate(_CONTROL_CHARACTERS).strip()
    try:
        text.decode()
    except UnicodeDecodeError:
        text = text.decode(errors="replace").encode()
    text = _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], text)
    return _NO_NUMBER.sub(b"null", text)
