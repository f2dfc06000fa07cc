"""A sound document gives the same values in every spelling; others name their column or encoding, never a value."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddaemon.core.dates import parse_date
from oddaemon.core.model import Balance
from oddaemon.core.snapshot.packing import PackedColumnTruncated, Packing
from oddaemon.core.snapshot.verify import find_difference
from oddaemon.opendental import decode
from oddaemon.opendental.decode_values import MalformedValue
from oddaemon.opendental.document import decode_rows
from tests.opendental.response_bodies import (
    BALANCES,
    CANARY,
    GOOD,
    PACKING,
    READERS,
    JsonRow,
    encode_rows,
    make_packed_rows,
)
from tests.properties.documents import (
    BROKEN,
    INTEGERS,
    PRIVATE,
    SPOIL_PACKED,
    TEXTS,
    UNREAD_LITERALS,
    respell_packed,
    spell_day,
    spell_document,
    spell_integer,
    spell_text,
)

FULL_ROW = [Balance(number, 1, *[-int(CANARY) - number] * 7) for number in range(1, 20)]
"""Two or more guarantors in every lane."""
quickly = settings(deadline=None, max_examples=40)


@quickly
@given(st.data(), st.lists(st.tuples(INTEGERS, TEXTS), max_size=5))
def test_rows_have_the_same_values_in_every_spelling(data: st.DataObject, values: list[tuple[int, str]]) -> None:
    rows = [
        {"PatNum": data.draw(spell_integer(number)), "Title": data.draw(spell_text(text))} for number, text in values
    ]
    decoded = decode_rows(data.draw(spell_document(rows)))
    assert [(row.get_integer("PatNum"), row.get_text("Title")) for row in decoded] == values


@quickly
@given(st.data(), st.sampled_from(sorted(GOOD)))
def test_each_reader_reads_the_same_from_every_spelling(data: st.DataObject, kind: str) -> None:
    rows = [{name: data.draw(_spell(value)) for name, value in row.items()} for row in GOOD[kind]()]
    assert READERS[kind](data.draw(spell_document(rows))) == READERS[kind](encode_rows(GOOD[kind]()))


@quickly
@given(st.data())
def test_packed_rows_are_the_same_however_they_were_wrapped_and_still_prove_the_office(data: st.DataObject) -> None:
    rows = make_packed_rows()
    for row in rows:
        row |= {name: data.draw(respell_packed(row[name])) for name in _list_packed_columns(row)}
    spelled = [{name: data.draw(_spell(value)) for name, value in row.items()} for row in rows]
    packed = decode.parse_packed(decode_rows(data.draw(spell_document(spelled))), PACKING)
    assert list(packed.balances) == BALANCES
    assert find_difference(packed.balances.totals, packed.control.totals) is None


@quickly
@given(st.data(), st.sampled_from(sorted(SPOIL_PACKED)))
def test_packed_rows_of_another_grammar_are_refused_without_a_value(data: st.DataObject, what: str) -> None:
    rows = make_packed_rows(FULL_ROW, Packing(lane_span=10, lanes=2))
    row = data.draw(st.sampled_from(rows))
    name = data.draw(st.sampled_from(_list_packed_columns(row)))
    row[name] = SPOIL_PACKED[what](row[name])
    sent = encode_rows(rows)
    with pytest.raises((MalformedValue, PackedColumnTruncated)) as caught:
        decode.parse_packed(decode_rows(sent), Packing(lane_span=10, lanes=2))
    assert CANARY not in str(caught.value)
    assert str(caught.value).isprintable()


@quickly
@given(st.data(), st.dates())
def test_the_date_of_the_last_aging_is_the_same_day_in_every_spelling(data: st.DataObject, day: Any) -> None:
    spelled = data.draw(spell_day(day.isoformat()))
    rows = [{"PrefName": '"DateLastAging"', "ValueString": json.dumps(spelled)}]
    others = data.draw(st.lists(UNREAD_LITERALS, max_size=2))
    rows += [{"PrefName": "null", "ValueString": literal} for literal in others]
    sent = data.draw(spell_document(data.draw(st.permutations(rows))))
    page = decode.parse_preference_page(decode_rows(sent), "DateLastAging")
    assert page.value is not None
    assert parse_date(page.value) == (None if day.year == 1 and day.toordinal() == 1 else day)


@quickly
@given(st.data(), st.sampled_from(sorted(BROKEN)))
def test_a_value_that_cannot_be_read_names_its_column_and_never_itself(data: st.DataObject, what: str) -> None:
    rows = [{"PatNum": data.draw(BROKEN[what]), "Title": f'"{PRIVATE}"'}]
    (row,) = decode_rows(data.draw(spell_document(rows)))
    with pytest.raises(MalformedValue) as caught:
        row.get_integer("PatNum")
    assert str(caught.value).startswith("column PatNum ")
    assert PRIVATE not in str(caught.value)


@quickly
@given(st.data(), st.integers(1, 60))
def test_a_document_that_was_cut_names_its_encoding_and_no_value(data: st.DataObject, kept: int) -> None:
    rows = [{"PatNum": PRIVATE, "Title": f'"{PRIVATE}"'}] * 2
    sent = data.draw(spell_document(rows, with_unread=False)).rstrip(b"\0 \r\n\t")
    cut = sent[: max(1, len(sent) * kept // 100)]
    with pytest.raises(MalformedValue) as caught:
        decode_rows(cut)
    assert str(caught.value).startswith("the response is not a JSON list of rows: ")
    assert PRIVATE not in str(caught.value)


def _list_packed_columns(row: JsonRow) -> list[str]:
    return [name for name in row if name.startswith("L") and name[1:].isdigit() and row[name]]


def _spell(value: Any) -> st.SearchStrategy[str]:
    if isinstance(value, float) and value.is_integer():
        return spell_integer(int(value))
    return spell_integer(value) if isinstance(value, int) else spell_text(value)
