"""Corrupts valid bytes: single bytes, tokens, the structure, or the size. The same seed corrupts in the same way."""

import json
import random
import re
from collections.abc import Sequence
from typing import Any

_TOKEN = re.compile(rb'"[^"\n]*"|-?[0-9.]+|[A-Za-z_]+|.', re.DOTALL)
TOKENS = (
    *(b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n", b'"', b"'", b"\\", b"\\ud800"),
    *(b"[", b"]", b"{", b"}", b",", b":", b".", b"=", b"|", b"#", b"-", b"+", b"~", b"$", b"%s", b"</script>", b"<a "),
    *(b"0", b"-0", b"1e400", b"-1e400", b"NaN", b"Infinity", b"inf", b"nan", b"0x7f", b"0o7", b"1_0", b"9" * 19),
    *(b"9" * 40, b"1" * 5000, b"0." + b"1" * 400, b"9223372036854775808", b"-9223372036854775809", b"\\u0000"),
    *(b"null", b"true", b"false", b"[]", b"{}", b"[[[[", b'{"a":' * 40, b'""', b'"2026-02-30"', b"24:00:60"),
    *(b"1979-05-27", b'"9999-12-31T23:59:59.999999+23:59"', b"\xe2\x80\xae", b"\xf0\x9f\xa6\xb7", b"x" * 2000),
)  # fmt: skip
INPUT_BYTES_MAX = 1_000_000
ROWS_MAX = 5000
CELLS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, -0.0, 1e18, 1e308, float("inf"), float("nan"), 2**63, -(2**63) - 1, 10**400),
    *("", " ", "0", "-1", "1e3", "NaN", "1,2", ",,,,,,,,", "|", "||", "1|", "\x00", "\ud800", "é", "x" * 3000),
    *("9" * 30, "0000-00-00 00:00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "2026-03-03T02:05:00+23:59"),
    *("T", "20260303", [], {}, [1], {"a": 1}, [[[]]]),
)  # fmt: skip


class Mutator:
    """Corrupts one input; everything it does follows from its random numbers."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def mutate_bytes(self, good: bytes, others: Sequence[bytes] = ()) -> bytes:
        """`good` after a few edits of bytes and tokens; pieces of `others` may end up in it."""
        body = bytearray(good)
        for _ in range(self.rng.choice((0, 1, 1, 1, 2, 3, 8))):
            edit = self.rng.choice(
                (self._flip, self._cut, self._insert, self._replace_token, self._repeat, self._splice)
            )
            edit(body, others)
        if self.rng.random() < 0.01:
            body *= self.rng.choice((2, 50, 400))
        return bytes(body[:INPUT_BYTES_MAX])

    def mutate_rows(self, good: list[dict[str, Any]]) -> bytes:
        """Rows of JSON after a few edits of their structure."""
        rows: Any = [dict(row) for row in good]
        for _ in range(self.rng.choice((0, 1, 1, 2, 5))):
            rows = self._restructure(rows)
        return self.dump_json(rows)[:INPUT_BYTES_MAX]

    def dump_json(self, value: object) -> bytes:
        """JSON, in one of the ways in which servers write it."""
        separators = self.rng.choice(((", ", ": "), (",", ":"), (" ,\t", "\r\n:")))
        written = json.dumps(value, ensure_ascii=self.rng.random() < 0.5, separators=separators)
        return written.encode("utf-8", "surrogatepass")

    def _restructure(self, rows: Any) -> Any:
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and row for row in rows):
            return rows
        if self.rng.random() < 0.5:
            self._mutate_cell(self.rng.choice(rows), rows)
            return rows
        return self._reshape(rows)

    def _mutate_cell(self, row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        name = self.rng.choice(sorted(row))
        match self.rng.randrange(5):
            case 0:
                row[name] = self.rng.choice(CELLS)
            case 1:
                del row[name]
            case 2:
                row[self.rng.choice((name.lower(), name + " ", "", "\x00", "x" * 500))] = row.pop(name)
            case 3:
                row[name] = self.rng.choice(rows).get(self.rng.choice(sorted(row)))
            case _:
                row[name] = self._mutate_text(str(row[name]))

    def _reshape(self, rows: list[Any]) -> Any:
        row = self.rng.choice(rows)
        match self.rng.randrange(4):
            case 0:
                rows.insert(self.rng.randrange(len(rows) + 1), dict(row))
            case 1:
                self.rng.shuffle(rows)
            case 2:
                return (rows * self.rng.choice((0, 2, 120)))[:ROWS_MAX]
            case _:
                cell = self.rng.choice(CELLS)
                return self.rng.choice((row, [rows], {"rows": rows}, [*rows, cell], cell))
        return rows

    def _mutate_text(self, text: str) -> str:
        at = self.rng.randrange(len(text) + 1)
        fragment = self.rng.choice(("", ",", "|", "-", "0", "9" * 20, ".5", " ", "\x00", "é", "null", text))
        return text[:at] + fragment + text[at + self.rng.randrange(3) :]

    def _pick_position(self, body: bytearray) -> int:
        return self.rng.randrange(len(body) + 1)

    def _flip(self, body: bytearray, _others: Sequence[bytes]) -> None:
        if body:
            body[self.rng.randrange(len(body))] ^= 1 << self.rng.randrange(8)

    def _cut(self, body: bytearray, _others: Sequence[bytes]) -> None:
        start = self._pick_position(body)
        del body[start : start + self.rng.choice((1, 2, 10, len(body)))]

    def _insert(self, body: bytearray, _others: Sequence[bytes]) -> None:
        at = self._pick_position(body)
        body[at:at] = self.rng.choice((*TOKENS, self.rng.randbytes(self.rng.randrange(9))))

    def _replace_token(self, body: bytearray, _others: Sequence[bytes]) -> None:
        if token := _TOKEN.search(body, self._pick_position(body)):
            body[token.start() : token.end()] = self.rng.choice(TOKENS)

    def _repeat(self, body: bytearray, _others: Sequence[bytes]) -> None:
        start = self._pick_position(body)
        fragment = body[start : start + self.rng.randrange(1, 40)]
        body[start:start] = fragment * self.rng.choice((1, 2, 100))

    def _splice(self, body: bytearray, others: Sequence[bytes]) -> None:
        if others:
            other = self.rng.choice(others)
            start = self.rng.randrange(len(other) + 1)
            at = self._pick_position(body)
            body[at : at + self.rng.randrange(30)] = other[start : start + self.rng.randrange(60)]
