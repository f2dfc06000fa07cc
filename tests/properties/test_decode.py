"""Whatever an office or a gateway sends: it is read, or it is refused in words that hold nothing of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.packing import PackedColumnTruncated, Packing
from oddaemon.core.snapshot.verify import find_difference
from oddaemon.opendental import decode
from oddaemon.opendental.decode_values import MalformedValue, to_printable
from oddaemon.opendental.document import decode_rows
from tests.opendental.response_bodies import CANARY, GOOD, PACKING, READERS, JsonRow, encode_rows, make_packed_rows

counts = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.just(2**63)
)
cells = counts | st.sampled_from([CANARY, f"1,{CANARY}", f"1,0,0,0,0,0,0,0,{CANARY}", int(CANARY), float(CANARY)])
json_values = st.recursive(
    cells, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
names = sorted({name for rows in GOOD.values() for row in rows() for name in row})


def choose_cells(name: str) -> st.SearchStrategy[Any]:
    """A message may tell how many guarantors a group counted, and never a balance."""
    return counts if name in {"N", "G"} else cells


near_rows = st.lists(st.fixed_dictionaries({}, optional={name: choose_cells(name) for name in names}), max_size=4)


def get_error_text(reader: Callable[[bytes], object], sent: bytes) -> str:
    try:
        reader(sent)
    except (MalformedValue, PackedColumnTruncated) as error:
        return str(error)
    return ""


def assert_read_or_refused(reader: Callable[[bytes], object], sent: bytes) -> None:
    sentence = get_error_text(reader, sent)
    assert CANARY not in sentence
    assert sentence.isprintable()


quickly = settings(deadline=None, max_examples=40)
every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@every_reader
@quickly
@given(sent=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(reader: Callable[[bytes], object], sent: bytes) -> None:
    assert_read_or_refused(reader, sent)


@every_reader
@quickly
@given(value=json_values)
def test_any_json_is_read_or_refused(reader: Callable[[bytes], object], value: Any) -> None:
    assert_read_or_refused(reader, encode_rows(value))


@every_reader
@quickly
@given(rows=near_rows)
def test_any_cells_in_the_right_columns_are_read_or_refused(
    reader: Callable[[bytes], object], rows: list[JsonRow]
) -> None:
    assert_read_or_refused(reader, encode_rows(rows))


@pytest.mark.parametrize("kind", GOOD)
@quickly
@given(data=st.data())
def test_a_good_answer_with_one_thing_changed_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    rows = GOOD[kind]()
    row = data.draw(st.sampled_from(rows))
    name = data.draw(st.sampled_from(sorted(row)))
    if data.draw(st.booleans()):
        row[name] = data.draw(choose_cells(name))
    else:
        del row[name]
    assert_read_or_refused(READERS[kind], encode_rows(rows))


@pytest.mark.parametrize("kind", GOOD)
@quickly
@given(data=st.data())
def test_a_good_answer_with_bytes_changed_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    sent = bytearray(encode_rows(GOOD[kind]()))
    at = data.draw(st.integers(0, len(sent)))
    until = data.draw(st.integers(at, min(len(sent), at + 8)) | st.just(len(sent)))
    sent[at:until] = data.draw(st.binary(max_size=8))
    assert_read_or_refused(READERS[kind], bytes(sent))


cents = st.integers(-(10**11), 10**11)
balances = st.lists(
    st.builds(Balance, st.integers(1, 60) | st.integers(1, 2**63 - 1), st.integers(0, 9), *[cents] * 7),
    max_size=30,
    unique_by=lambda balance: balance.pat_num,
).map(sorted)


@quickly
@given(true=balances, packing=st.builds(Packing, st.integers(1, 9), st.integers(1, 5)))
def test_what_was_packed_comes_out_again_and_adds_up(true: list[Balance], packing: Packing) -> None:
    packed = decode.parse_packed(decode_rows(encode_rows(make_packed_rows(true, packing))), packing)
    assert list(packed.balances) == true
    assert find_difference(packed.balances.totals, packed.control.totals) is None


@quickly
@given(true=balances.filter(bool), data=st.data())
def test_no_damage_to_a_packed_answer_passes_for_the_truth(true: list[Balance], data: st.DataObject) -> None:
    rows = make_packed_rows(true)
    row = data.draw(st.sampled_from(rows))
    column = data.draw(st.sampled_from([f"L{lane}" for lane in range(PACKING.lanes) if row[f"L{lane}"]]))
    text: str = row[column]
    at = data.draw(st.integers(0, len(text) - 1))
    row[column] = text[:at] + data.draw(st.sampled_from(["", "0", "1", "9", "-", ",", "|"])) + text[at + 1 :]
    try:
        packed = decode.parse_packed(decode_rows(encode_rows(rows)), PACKING)
    except (MalformedValue, PackedColumnTruncated):
        return
    assert list(packed.balances) == true or find_difference(packed.balances.totals, packed.control.totals) is not None


@quickly
@given(name=st.text(min_size=1, max_size=12), value=st.text(max_size=30), others=st.lists(st.text(max_size=12)))
def test_a_preference_is_found_among_any_others(name: str, value: str, others: list[str]) -> None:
    rows = [{"PrefName": other, "ValueString": "wrong"} for other in others if other.lower() != name.lower()]
    sent = json.dumps([*rows, {"PrefName": name, "ValueString": value}, *rows]).encode()
    assert decode.parse_preference_page(decode_rows(sent), name).value == to_printable(value)
