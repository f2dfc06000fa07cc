"""A grammar of what servers really send: sound rows, their spellings, and values that are wrong."""

import codecs
import json
import re
from collections.abc import Callable

from hypothesis import strategies as st

from oddaemon.opendental.decode_values import INTEGER_MAX, INTEGER_MIN

TEXTS = st.text(max_size=30).filter(str.isprintable)
INTEGERS = st.integers(INTEGER_MIN, INTEGER_MAX) | st.integers(-5, 1000)
EXACT_MAX = 2**53
"""Beyond this a decimal number is not exact any more."""
PRIVATE = "31415926"
"""A value that no message may ever show."""

_HALF_EMOJIS = st.sampled_from([r"\ud83d", r"\uDE00", r"Ann \ud83d", r"\ud83d\ud83d\ude00"])
_BLANKS = st.sampled_from(["", " ", "\r\n", "\t", "  \n "])
_CHARSETS = ("utf-8", "utf-8", "utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}

UNREAD_LITERALS = st.one_of(
    st.sampled_from(["true", "false", "null", "[]", "{}", '{"href": "/x", "b": [1]}', "1e400", "NaN", "-Infinity"]),
    _HALF_EMOJIS.map(lambda text: f'"{text}"'),
    st.sampled_from(['"tab\there"', '"\x01\x1b[2J"', '"},{"', '"\\"}, {\\""']),
    INTEGERS.map(str),
    TEXTS.map(json.dumps),
)
"""JSON of a field that no one reads, and what is not even JSON."""


@st.composite
def spell_integer(draw: st.DrawFn, value: int) -> str:
    """An integer as JSON and .NET write it."""
    forms = [str(value), f'"{value}"', f'" {value} "', f'"{value}.00"']
    if abs(value) < EXACT_MAX:
        forms += [f"{value}.0", f"{value}e0"]
    return draw(st.sampled_from(forms))


@st.composite
def spell_text(draw: st.DrawFn, value: str) -> str:
    """A text with or without escapes."""
    return draw(st.sampled_from([json.dumps(value), json.dumps(value, ensure_ascii=False)]))


@st.composite
def spell_day(draw: st.DrawFn, day: str) -> str:
    """A day in the spellings that MySQL, JSON and .NET write."""
    return draw(
        st.sampled_from([day, f"{day}T00:00:00", f"{day} 08:15:00", f"{day}T00:00:00.0000000", f"{day}T00:00:00Z"])
    )


@st.composite
def spell_document(draw: st.DrawFn, rows: list[dict[str, str]], *, with_unread: bool = True) -> bytes:
    """A list of rows, whose cells are literals, as some server sends it."""
    gap, around = draw(_BLANKS), draw(_BLANKS)
    objects = []
    for row in rows:
        cells = [f"{json.dumps(name)}{gap}:{gap}{literal}" for name, literal in row.items()]
        if with_unread:
            unread = draw(st.lists(UNREAD_LITERALS, max_size=3))
            cells += [f'"_new{number}":{literal}' for number, literal in enumerate(unread)]
        objects.append("{" + f"{gap},{gap}".join(draw(st.permutations(cells))) + "}")
    text = f"[{gap}" + f"{gap},{gap}".join(objects) + f"{gap}]"
    text = draw(st.sampled_from([text, f'{{"Table"{gap}:{text}}}', f'{{"Count":1,"Table":{text},"More":[{{}}]}}']))
    charset = draw(st.sampled_from(_CHARSETS))
    mark = draw(st.sampled_from([b"", _MARKS[charset]]))
    if mark or charset == "utf-8":
        text = f"{around}{text}{around}"
    nuls = draw(st.sampled_from([b"", b"\0" * 4])) if charset == "utf-8" else b""
    return mark + text.encode(charset) + nuls


_AROUND_NUMBERS = st.sampled_from(["", "", "", " ", "\r\n", "\n", "\t"])


@st.composite
def respell_packed(draw: st.DrawFn, text: str) -> str:
    """Packed rows that a layer on their way wrapped: the same values."""
    numbers, around = re.split("([,|])", text), draw(_AROUND_NUMBERS)
    for number in draw(st.sets(st.integers(0, len(numbers) // 2), max_size=4)):
        numbers[2 * number] = f"{around}{numbers[2 * number]}{around}"
    return "".join(numbers)


SPOIL_PACKED: dict[str, Callable[[str], str]] = {
    "numbers in quotes": lambda text: re.sub("(-?[0-9]+)", r'"\1"', text),
    "decimals": lambda text: re.sub("([0-9]+)([,|]|$)", r"\g<1>.00\2", text),
    "decimals with cents": lambda text: re.sub("([0-9]+)([,|]|$)", r"\g<1>.50\2", text),
    "thousands": lambda text: re.sub("([0-9])([0-9]{3})([,|]|$)", r"\1,\2\3", text),
    "decimal commas": lambda text: re.sub("([0-9])([,|]|$)", r"\1,00\2", text),
    "dates with times": lambda text: re.sub(r"^[0-9]+", "2026-03-03T00:00:00", text),
    "nulls": lambda text: re.sub(",[0-9]+", ",null", text, count=1),
    "empty cells": lambda text: re.sub(",[0-9]+", ",", text, count=1),
    "semicolons between rows": lambda text: text.replace("|", ";"),
    "line breaks between rows": lambda text: text.replace("|", "\r\n"),
    "commas between rows": lambda text: text.replace("|", ","),
    "tabs between numbers": lambda text: text.replace(",", "\t"),
    "semicolons between numbers": lambda text: text.replace(",", ";"),
    "a separator at the end": lambda text: f"{text}|",
    "no-break spaces": lambda text: text.replace(",", ",\xa0"),
    "brackets": lambda text: text.replace(",", ",[", 1),
    "a parenthesis for a minus": lambda text: re.sub(r"-([0-9]+)", r"(\1)", text) if "-" in text else f"({text})",
}
"""What a spreadsheet, a report writer or a gateway of another language makes of packed rows of two or more rows."""


BROKEN: dict[str, st.SearchStrategy[str]] = {
    "flag": st.sampled_from(["true", "null", "[]", "{}"]),
    "text": st.just(f'"{PRIVATE} dollars"'),
    "fraction": st.sampled_from([f"{PRIVATE}.5", f'"{PRIVATE},5"']),
    "too large": st.just(f"{PRIVATE}{'0' * 20}"),
}
"""Literals that are no integer."""
