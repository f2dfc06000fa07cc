"""A target of the fuzzer, and what counts as a violation."""

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Protocol

KEYS = ("Qm7xT2kLp9RvWc4Z", "Hb3nY8sVd5FqXg1J", "Zk4wN6tBc8MrHj2P")
"""Planted in place of keys: no text may ever show one."""
_LONG_NUMBER = re.compile(r"[0-9]{6,}")
_COUNT = re.compile(rb'"(?:N|G)"\s*:\s*"?-?([0-9]+)')


INTEGER_BITS_MAX = 63
"""Besides the sign: no database stores more."""
TEXT_CHARACTERS_MAX = 500


class Violation(Exception):
    """An input breaks a promise."""


class FuzzTarget(Protocol):
    """One entry point that receives foreign bytes."""

    name: str

    def make_input(self, number: int, seed: int) -> bytes:
        """The input of a number: always the same one for a seed."""
        ...

    def feed(self, sent: bytes) -> Iterable[str]:
        """Take an input; returns every text that it produced for a log, a page or an operator.

        Raises what the program raises beyond what it documents.
        """
        ...


def assert_texts_clean(texts: Iterable[str]) -> None:
    """No text may hold a key or more than one line."""
    for text in texts:
        for key in KEYS:
            if key in text:
                raise Violation(f"a key is shown: {text[:300]!r}")
        if len(text.splitlines()) > 1:
            raise Violation(f"a text has more than one line: {text[:300]!r}")


def assert_no_numbers(text: str, answer: bytes) -> None:
    """No text may hold a number of an answer, but a group's own number and count."""
    counts = set(_COUNT.findall(answer))
    for number in _LONG_NUMBER.findall(text):
        if number.encode() in answer and number.encode() not in counts:
            raise Violation(f"a number of the answer is shown: {text[:300]!r}")


def assert_bounded(value: object) -> None:
    """No value that was read may hold an integer that no database stores, a long text, or one that is not printable."""
    match value:
        case int():
            if value.bit_length() > INTEGER_BITS_MAX and value != -(2**INTEGER_BITS_MAX):
                raise Violation(f"an integer of {value.bit_length()} bits was let in")
        case str():
            if len(value) > TEXT_CHARACTERS_MAX or not value.isprintable():
                raise Violation(f"a text of {len(value)} characters was let in: {value[:100]!r}")
        case dict():
            assert_bounded([*value.values()])
        case list() | tuple() | set() | frozenset():
            for each in value:
                assert_bounded(each)
        case _ if is_dataclass(value):
            for each in fields(value):
                assert_bounded(getattr(value, each.name))
