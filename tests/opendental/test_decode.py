import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.packing import PackedColumnTruncated
from oddaemon.core.snapshot.verify import compute_totals, find_difference
from oddaemon.opendental import decode
from oddaemon.opendental.decode_values import MalformedValue, Row
from oddaemon.opendental.document import decode_rows
from tests.golden import GoldenTexts
from tests.opendental.response_bodies import (
    BALANCES,
    CANARY,
    GOOD,
    PACKING,
    READERS,
    JsonRow,
    encode_rows,
    make_changed_rows,
    make_clock_rows,
    make_control_row,
    make_packed_rows,
    make_page_rows,
    make_preference_rows,
)

OFFICE_NOW = datetime.fromisoformat("2026-03-03 02:05:00")
UTC_NOW = datetime.fromisoformat("2026-03-03 10:05:00")

NEVER_ROWS: dict[str, bytes] = {
    "nothing": b"",
    "blank": b" \r\n",
    "null": b"null",
    "a text": json.dumps(f"Total {CANARY}").encode(),
    "a number": CANARY.encode(),
    "plain text": f"Total {CANARY}".encode(),
    "a page of HTML": f"<html><body>{CANARY}</body></html>".encode(),
    "an object": encode_rows({"Balance": CANARY}),
    "rows in an object": encode_rows({"rows": [{"Balance": CANARY}]}),
    "numbers": encode_rows([int(CANARY)]),
    "texts": encode_rows([CANARY]),
    "rows of cells": encode_rows([[CANARY]]),
    "a null row": b"[null]",
    "truncated in a number": f'[{{"Balance":{CANARY}'.encode(),
    "truncated in a text": f'[{{"Balance":"{CANARY},1'.encode(),
    "truncated after a row": f'[{{"Balance":"{CANARY}"}},'.encode(),
    "two values": f'[{{"Balance":"{CANARY}"}}] [{{}}]'.encode(),
    "NaN": b'[{"Balance":NaN}]',
    "Infinity": b'[{"Balance":-Infinity}]',
    "too large a number": b'[{"Balance":1e400}]',
    "a number without end": b'[{"Balance":' + b"9" * 10_000 + b"}]",
    "a leading zero": f'[{{"Balance":0{CANARY}}}]'.encode(),
    "true": b'[{"Balance":true}]',
    "false": b'[{"Balance":false}]',
    "a list in a cell": encode_rows([{"Balance": [CANARY]}]),
    "an object in a cell": encode_rows([{"Balance": {"cents": CANARY}}]),
    "deep lists": b"[" * 200_000,
    "deep lists that close": b"[" * 20_000 + b"]" * 20_000,
    "deep objects": b'[{"Balance":' * 15_000,
    "no UTF-8 in a cell": b'[{"Balance":"' + CANARY.encode() + b'\xff"}]',
    "no UTF-8 in a name": b'[{"Bal\xe9":"' + CANARY.encode() + b'"}]',
    "UTF-16": f'[{{"Balance":"{CANARY}"}}]'.encode("utf-16"),
    "a control character": b'[{"Balance":"\x01"}]',
    "half a surrogate": rb'[{"Balance":"\ud800"}]',
    "single quotes": f"[{{'Balance':'{CANARY}'}}]".encode(),
    "binary": bytes(range(256)),
}


def get_error_text(reader: Callable[[bytes], object], sent: bytes) -> str:
    with pytest.raises((MalformedValue, PackedColumnTruncated)) as caught:
        reader(sent)
    return str(caught.value)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("sent", NEVER_ROWS.values(), ids=NEVER_ROWS)
def test_what_is_not_an_answer_is_refused_without_a_value_of_it(reader: str, sent: bytes) -> None:
    sentence = get_error_text(READERS[reader], sent)
    assert sentence.startswith(("the response is not a JSON list of rows: ", "column ", "a row does not hold"))
    assert CANARY not in sentence


def test_the_sentence_says_what_came_instead_of_rows(golden: GoldenTexts) -> None:
    golden.check(get_error_text(decode_rows, b'"text"'))


def test_a_good_answer_of_each_kind_is_read() -> None:
    for kind, rows in GOOD.items():
        READERS[kind](encode_rows(rows()))


def drop_column(name: str) -> Callable[[JsonRow], JsonRow]:
    return lambda row: {other: value for other, value in row.items() if other != name}


def set_column(name: str, value: object) -> Callable[[JsonRow], JsonRow]:
    return lambda row: {**row, name: value}


NUMBERS = ("Guarantors", "SumBalTotal", "Checksum")
CLOCKS = ("OfficeNow", "UtcNow")
NO_INTEGERS = (None, "", "abc", "1_0", "1.5", "１", "0x10", 1.5, 1e300, 2**63, -(2**64), "9" * 20, "9" * 6000)  # noqa: RUF001  a digit that is none of ours
NO_MOMENTS = (
    *(None, "", "soon", 20260303, 1.5, "2026-13-01T00:00:00", "2026-03-03T25:00:00"),
    *("0001-01-01T00:00:00", "9999-12-31T23:59:59"),
)

CORRUPTED_ROWS: list[tuple[str, Callable[[JsonRow], JsonRow]]] = [
    *(("control", drop_column(name)) for name in make_control_row()),
    *(("packed", drop_column(name)) for name in make_packed_rows()[0]),
    *(("page", drop_column(name)) for name in make_page_rows()[0]),
    *(("moved", drop_column(name)) for name in make_changed_rows()[0] if name != "Balance"),
    *(("clocks", drop_column(name)) for name in CLOCKS),
    *(("preference", drop_column(name)) for name in ("PrefName", "ValueString")),
    *((kind, set_column(name, value)) for kind in ("control", "packed") for name in NUMBERS for value in NO_INTEGERS),
    *((kind, set_column(name, value)) for kind in ("control", "clocks") for name in CLOCKS for value in NO_MOMENTS),
    *(("packed", set_column(name, value)) for name in ("N",) for value in NO_INTEGERS),
    *(("packed", set_column("G", value)) for value in NO_INTEGERS if value is not None),
    *(("moved", set_column("PatNum", value)) for value in NO_INTEGERS),
    *(("control", set_column(name, -1)) for name in ("Guarantors", "Checksum")),
    *(("control", set_column(name, 15)) for name in ("DateLastAging", "AgingBeginDateTime")),
    *(("preference", set_column("ValueString", value)) for value in ([365], {"Value": 365}, "x" * 501)),
    *(("preference", set_column("PrefName", value)) for value in (None, 15)),
    ("packed", set_column("N", -1)),
    ("packed", set_column("N", 0)),
    ("packed", set_column("N", 4)),
    ("packed", set_column("L0", None)),
    ("packed", set_column("L0", 12)),
    ("packed", set_column("L0", "")),
    ("packed", set_column("L1", f"2,0,0,0,0,0,0,0,{CANARY};")),
    ("packed", set_column("L1", f"2,0,0,0,0,0,0,{CANARY}")),
    ("packed", set_column("L1", f"2,0,0,0,0,0,0,0,{CANARY}x")),
    ("packed", set_column("L1", f"2,0,0,0,0,0,0,0,{CANARY}.5|4,0,0,0,0,0,0,0,1")),
    ("packed", set_column("L1", f"2,0,0,0,0,0,0,0,{CANARY}{'9' * 30}|4,0,0,0,0,0,0,0,1")),
    *(
        (kind, set_column("Balance", text))
        for kind in ("page", "moved")
        for text in (
            *("", CANARY, f"1,0,0,0,0,0,0,{CANARY}", f"1,0,0,0,0,0,0,0,0,{CANARY}", f"1,0,0,0,0,0,0,0,{CANARY}.5"),
            *(f"1,0,0,0,0,0,0,0,1e{CANARY}", f"1,0,0,0,0,0,0,0,{CANARY}{'9' * 30}", "1,0,0,0,0,0,0,0," + "9" * 6000),
            "1,0,0,0,0,0,0,0,1|2,0,0,0,0,0,0,0,1",
            *(int(CANARY), 1.5),
        )
    ),
    ("page", set_column("Balance", None)),
]


@pytest.mark.parametrize(("kind", "spoil"), CORRUPTED_ROWS)
def test_an_invalid_row_is_rejected_without_showing_a_value(kind: str, spoil: Callable[[JsonRow], JsonRow]) -> None:
    first, *rest = GOOD[kind]()
    sentence = get_error_text(READERS[kind], encode_rows([spoil(first), *rest]))
    assert CANARY not in sentence
    assert "999" not in sentence


MISPLACED_ROWS = [
    ("control", []),
    ("control", [make_control_row(), make_control_row()]),
    ("clocks", []),
    ("clocks", make_clock_rows() * 2),
    ("packed", []),
    ("packed", make_packed_rows()[:1] * 2),
    ("packed", make_packed_rows()[::-1]),
    ("packed", [*make_packed_rows(), make_packed_rows([])[0]]),
    ("packed", make_packed_rows([]) * 2),
    ("packed", [make_control_row([])]),
    ("page", make_page_rows()[:1] * 2),
    ("page", make_page_rows()[::-1]),
    ("page", make_page_rows([Balance(0, 0, 1, 0, 0, 0, 0, 0, 1)])),
    ("page", make_page_rows([Balance(pat_num, 0, 1, 0, 0, 0, 0, 0, 1) for pat_num in range(1, 102)])),
    ("moved", make_changed_rows()[:1] * 2),
    ("moved", make_changed_rows()[::-1]),
]


def test_rows_that_are_too_few_too_many_repeated_or_out_of_order_are_refused(golden: GoldenTexts) -> None:
    golden.check([f"{kind}: {get_error_text(READERS[kind], encode_rows(rows))}" for kind, rows in MISPLACED_ROWS])


def test_the_message_names_the_column_that_is_wrong(golden: GoldenTexts) -> None:
    golden.check(get_error_text(READERS["control"], encode_rows([drop_column("Checksum")(make_control_row())])))
    golden.check(get_error_text(READERS["control"], encode_rows([{**make_control_row(), "Guarantors": CANARY + "x"}])))


def test_a_truncated_column_is_distinguished_from_other_failures() -> None:
    rows = make_packed_rows()
    text = rows[0]["L1"]
    rows[0]["L1"] = text[: text.rindex(",")]
    with pytest.raises(PackedColumnTruncated):
        READERS["packed"](encode_rows(rows))


def test_a_truncated_number_still_parses_and_the_totals_reveal_it(golden: GoldenTexts) -> None:
    rows = make_packed_rows()
    rows[0]["L2"] = rows[0]["L2"][:-1]
    packed = decode.parse_packed(decode_rows(encode_rows(rows)), PACKING)
    golden.check(find_difference(packed.balances.totals, packed.control.totals))


def test_of_a_repeated_name_the_last_counts_and_the_totals_reveal_it(golden: GoldenTexts) -> None:
    sent = encode_rows(make_packed_rows()).replace(b'"Guarantors": 4', b'"Guarantors": 4, "Guarantors": 5', 1)
    packed = decode.parse_packed(decode_rows(sent), PACKING)
    golden.check(find_difference(packed.balances.totals, packed.control.totals))


def test_a_good_control_is_read_whether_sums_are_integers_doubles_or_texts() -> None:
    wanted = compute_totals(BALANCES)
    sent = make_control_row()
    for convert in (int, float, str):
        names = [name for name in sent if name.startswith("Sum") or name in {"Guarantors", "Checksum"}]
        row = {**sent, **{name: convert(int(sent[name])) for name in names}}
        assert decode.parse_control(decode_rows(encode_rows([row]))) == (
            *(wanted, "2026-03-03", "", OFFICE_NOW, UTC_NOW),
            *((1_111, 2_222, 0), 3),
        )


def test_a_preference_that_is_null_in_the_control_is_empty() -> None:
    row = {**make_control_row(), "DateLastAging": None, "AgingBeginDateTime": None}
    control = decode.parse_control(decode_rows(encode_rows([row])))
    assert (control.date_last_aging, control.aging_begin) == ("", "")


def test_a_clock_with_fractions_or_a_zone_is_the_wall_clock() -> None:
    row = {**make_clock_rows()[0], "OfficeNow": "2026-03-03T02:05:00.1234567-08:00", "UtcNow": "2026-03-03 10:05:00"}
    office_now, utc_now, *_ = decode.parse_clocks([Row(row)])
    assert office_now.replace(microsecond=0) == OFFICE_NOW
    assert office_now.tzinfo is None
    assert utc_now == UTC_NOW


def test_packed_rows_are_the_balances() -> None:
    packed = decode.parse_packed(decode_rows(encode_rows(make_packed_rows())), PACKING)
    assert (list(packed.balances), packed.groups, packed.last_group) == (BALANCES, 2, 1)
    assert find_difference(packed.balances.totals, packed.control.totals) is None


def test_a_page_may_be_empty_and_the_first_begins_anywhere() -> None:
    assert not decode.parse_page([], 5, 100)
    assert list(decode.parse_page(decode_rows(encode_rows(make_page_rows())), None, 4)) == BALANCES


def test_a_changed_row_without_a_balance_does_not_belong_any_more() -> None:
    rows = [{"PatNum": 3, "Balance": None}, {"PatNum": 4.0, "Balance": "4,0,1,0,0,0,0,0,1"}]
    assert decode.parse_changed(decode_rows(encode_rows(rows)), 2) == [
        (3, None),
        (4, Balance(4, 0, 1, 0, 0, 0, 0, 0, 1)),
    ]


OTHERS = [
    {"PrefNum": 1, "PrefName": "AgingIsEnterprise", "ValueString": "0"},
    {"PrefNum": 2, "PrefName": "DateLastAgingX", "ValueString": "wrong"},
]


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([], None),
        (make_preference_rows(), "2026-03-03"),
        ([*OTHERS, *make_preference_rows()], "2026-03-03"),
        (OTHERS, None),
        ([{"PrefName": "datelastaging", "ValueString": "2026-03-03"}], "2026-03-03"),
        ([{"PrefName": "DateLastAging", "ValueString": ""}], ""),
        ([{"PrefName": "DateLastAging", "ValueString": None}], ""),
    ],
    ids=["[]", "asked for", "filter ignored", "not among them", "other case", "empty", "null"],
)
def test_a_preference_is_found_by_its_name_and_unknown_where_it_is_not_on_the_page(
    rows: Any, value: str | None
) -> None:
    assert decode.parse_preference_page(decode_rows(encode_rows(rows)), "DateLastAging").value == value


def test_rows_of_nothing_are_refused_before_they_fill_the_memory() -> None:
    with pytest.raises(MalformedValue, match="more than 20,000 rows"):
        decode_rows(b"[" + b"{}," * 30_000 + b"{}]")
    assert len(decode_rows(b"[" + b"{}," * 9_999 + b"{}]")) == 10_000
