"""What servers really send around and inside a sound document is read; only a column that is needed can be at fault."""

import codecs
import json
from typing import Any
from zlib import crc32

import msgspec
import pytest

from oddaemon.opendental import decode
from oddaemon.opendental.decode_values import TEXT_CHARACTERS_MAX, MalformedValue, Row, get_texts
from oddaemon.opendental.document import SLICE_BYTES, decode_rows, to_utf8
from tests.golden import GoldenTexts
from tests.opendental.response_bodies import GOOD, READERS, encode_rows, make_control_row, make_preference_rows

BODY = encode_rows([{"PrefName": "A", "ValueString": "é"}])
AROUND = {
    "a mark of UTF-8": codecs.BOM_UTF8 + BODY,
    "UTF-16 with a mark": BODY.decode().encode("utf-16"),
    "UTF-16 big-endian with a mark": codecs.BOM_UTF16_BE + BODY.decode().encode("utf-16-be"),
    "UTF-16 without a mark": BODY.decode().encode("utf-16-le"),
    "UTF-16 big-endian without a mark": BODY.decode().encode("utf-16-be"),
    "UTF-32 with a mark": BODY.decode().encode("utf-32"),
    "UTF-32 without a mark": BODY.decode().encode("utf-32-be"),
    "NULs": b"\0\0\0\0\0" + BODY + b"\0\0",
    "white space": b" \r\n\t" + BODY + b"\r\n",
    "a .NET table": b'{"Table":' + BODY + b"}",
    "a .NET table among others": b'\r\n{"Count":1, "Table" : ' + BODY + b', "More":[{}]}',
    "a text that holds JSON": json.dumps(BODY.decode()).encode(),
}


@pytest.mark.parametrize("sent", AROUND.values(), ids=AROUND)
def test_a_sound_document_is_read_whatever_stands_around_it(sent: bytes) -> None:
    assert [Row({"PrefName": row.get_text("PrefName")}) for row in decode_rows(sent)] == [Row({"PrefName": "A"})]
    assert decode_rows(sent)[0].get_text("ValueString") == "é"


UNWANTED: tuple[Any, ...] = (
    *(True, None, 1.5, -(10**30), [], {}, [{"a": [None]}], {"href": "/x", "b": [1]}, [["deep"]] * 50),
    *("\ud83d", "half \udc00 an emoji", "\x01\x1b]0;x\x07", "x" * 5_000, "\\ud800", "},{", '"}, {"'),
)


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("value", UNWANTED)
def test_a_new_field_of_any_type_is_ignored(kind: str, value: Any) -> None:
    rows = [{"_new": value, **row, "patName": value} for row in GOOD[kind]()]
    assert READERS[kind](encode_rows(rows)) == READERS[kind](encode_rows(GOOD[kind]()))


@pytest.mark.parametrize("literal", [b"1e400", b"NaN", b"-Infinity", b'"\xff\xe9"', b'"tab\there"', b'"\xed\xa0\x80"'])
def test_a_field_that_is_not_even_json_is_ignored(literal: bytes) -> None:
    sent = b'[{"x":' + literal + b',"PrefName":"A","ValueString":"5"}]'
    assert decode.parse_preference_page(decode_rows(sent), "A").value == "5"


@pytest.mark.parametrize("other", [{"PrefName": None}, {"PrefName": 5}, {"PrefName": ["A"], "ValueString": {}}])
def test_a_row_whose_name_is_null_does_not_hide_the_row_that_is_wanted(other: dict[str, Any]) -> None:
    rows = [other, *make_preference_rows()]
    assert decode.parse_preference_page(decode_rows(encode_rows(rows)), "DateLastAging").value == "2026-03-03"


@pytest.mark.parametrize("rows", [[{"Balance": "1"}], [{"PrefName": None, "ValueString": "1"}], [{"ClinicNum": 1}]])
def test_rows_that_do_not_carry_the_name_are_the_answer_to_another_question(rows: Any) -> None:
    with pytest.raises(MalformedValue, match="column PrefName"):
        decode.parse_preference_page(decode_rows(encode_rows(rows)), "DateLastAging")


@pytest.mark.parametrize("spelling", [5, 5.0, "5", "5.0", " 5 ", "+5", "5.", "0.5e1", "500e-2", "5E0"])
def test_an_integer_is_read_in_every_spelling(spelling: Any) -> None:
    assert Row({"N": spelling}).get_integer("N") == 5


@pytest.mark.parametrize("spelling", [True, 5.5, "5.5", "5,0", "1e999999999", "0x5", "5_0", 2**63, 1e300, "nan", ""])
def test_a_value_that_is_no_integer_of_64_bits_names_its_column(spelling: Any) -> None:
    with pytest.raises(MalformedValue, match=r"^column N .* integer$"):
        Row({"N": spelling}).get_integer("N")


@pytest.mark.parametrize(
    ("spelling", "flag"), [(True, True), ("True", True), (" false", False), ("1", True), (0.0, False)]
)
def test_a_flag_is_read_in_every_spelling(spelling: Any, *, flag: bool) -> None:
    assert Row({"IsHidden": spelling}).get_flag("IsHidden") is flag


@pytest.mark.parametrize(
    ("spelling", "text"), [(365, "365"), (True, "1"), (False, "0"), (25.4, "25.4"), ("a\r\nb", "a  b")]
)
def test_a_text_is_read_from_a_number_or_a_flag(spelling: Any, text: str) -> None:
    assert Row({"ValueString": spelling}).get_text("ValueString") == text


@pytest.mark.parametrize("text", ["24.3\x1b]0;x\x07\x1b[2J", "\x9b2J", "a\u202eb", "\u2066x\u2069", "\x00", "\x7f"])
def test_characters_that_steer_a_terminal_do_not_leave_the_decoder(text: str) -> None:
    page = decode.parse_preference_page(decode_rows(encode_rows([{"PrefName": "A", "ValueString": text}])), "A")
    assert page.value is not None
    assert page.value.isprintable()
    assert "\ufffd" in page.value


def test_a_text_of_forty_megabytes_is_refused_by_its_column(golden: GoldenTexts) -> None:
    rows = [{"PrefName": "DateLastAging", "ValueString": "x" * 40_000_000}]
    with pytest.raises(MalformedValue) as caught:
        decode.parse_preference_page(decode_rows(encode_rows(rows)), "DateLastAging")
    golden.check(caught.value)


@pytest.mark.parametrize("name", ["Title", "Guarantors", "Touched"])
def test_no_integer_of_more_than_64_bits_passes_the_decoder(name: str, golden: GoldenTexts) -> None:
    with pytest.raises(MalformedValue) as caught:
        READERS["control"](encode_rows([{**make_control_row(), name: 2**70}]))
    golden.check(caught.value)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**18 * 99, 10**40])
def test_no_amount_of_more_than_64_bits_passes_the_decoder(number: int) -> None:
    with pytest.raises(MalformedValue, match="more than 64 bits"):
        decode.parse_balance_rows(f"1,0,0,0,0,0,0,0,1|2,{number},0,0,0,0,0,0,1")


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**18, -(10**18), 10**18 - 1])
def test_every_amount_of_64_bits_passes_the_decoder(number: int) -> None:
    assert [row[1] for row in decode.parse_balance_rows(f"1,{number},0,0,0,0,0,0,1")] == [number]


@pytest.mark.parametrize(
    ("sent", "checksum_of"),
    [
        ("1,0,-5,0,0,0,0,0,-5", "1,0,-5,0,0,0,0,0,-5"),
        ("1,0,-5,-0,0,0,0,0,-5", "1,0,-5,-0,0,0,0,0,-5"),
        (" 1, 0,-5,\n0,0,0,0,0,-5 ", "1,0,-5,0,0,0,0,0,-5"),
    ],
)
def test_a_row_is_kept_in_one_form_and_its_checksum_is_that_of_the_servers_text(sent: str, checksum_of: str) -> None:
    rows = decode.parse_balance_rows(sent)
    assert dict(rows.texts) == {1: b"1,0,-5,0,0,0,0,0,-5"}
    assert rows.totals.checksum == crc32(checksum_of.encode())


@pytest.mark.parametrize("cells", [[], ["a", "b"], ["a", "b\u0085"], ["a", 5], ["a", True], ["a", msgspec.Raw(b'"b"')]])
def test_texts_of_a_column_are_those_of_its_rows(cells: list[object]) -> None:
    rows = [Row({"One": cell}) for cell in cells]
    assert get_texts(rows, "One") == [row.get_text("One") for row in rows]


@pytest.mark.parametrize("cells", [["a", "x" * (TEXT_CHARACTERS_MAX + 1)], ["a", None], ["a", msgspec.Raw(b"[]")]])
def test_a_column_with_one_text_that_is_none_is_refused(cells: list[object]) -> None:
    for name in ("One", "Two"):
        with pytest.raises(MalformedValue, match=name):
            get_texts([Row({"One": cell}) for cell in cells], name)


def test_the_message_names_the_encoding() -> None:
    with pytest.raises(MalformedValue, match=r"read as UTF-16-LE"):
        decode_rows("[{]".encode("utf-16"))


def test_what_the_server_says_of_the_encoding_counts_where_the_bytes_are_not_utf_8() -> None:
    assert to_utf8(b'["\xe9"]', "windows-1252").body == '["é"]'.encode()
    assert to_utf8('["é"]'.encode(), "windows-1252").body == '["é"]'.encode()
    for charset in (None, "no-such", "base64", "utf-8"):
        assert to_utf8(b'["\xe9"]', charset).body == '["\ufffd"]'.encode()


@pytest.mark.parametrize("note", ["", "},{", '"}, {"', "\ud83d"])
def test_a_large_document_is_read_in_slices_as_it_is_read_whole(note: str) -> None:
    rows = [{"PatNum": number, "note": note, "more": {"a": [number]}} for number in range(10_000)]
    sent = json.dumps(rows, indent=1).encode()
    assert len(sent) > 4 * SLICE_BYTES
    assert [row.get_integer("PatNum") for row in decode_rows(sent)] == list(range(10_000))


@pytest.mark.parametrize("sent", [b"[" + b'{"a":' * 190_000, b"[" + b"[" * 300_000, b'[{"a":[' + b"[]," * 300_000])
def test_a_document_that_is_nested_or_endless_is_refused(sent: bytes, golden: GoldenTexts) -> None:
    with pytest.raises(MalformedValue) as caught:
        decode_rows(sent)
    golden.check(caught.value)


AMOUNTS = ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "BalTotal", "InsWoEst", "InsPayEst", "PatientPortion")


def make_body(*pat_nums: int) -> bytes:
    return json.dumps(
        [{"PatNum": number, "patName": "Elm", **dict.fromkeys(AMOUNTS, 0)} for number in pat_nums]
    ).encode()


def test_a_guarantor_may_have_any_number_that_a_database_holds() -> None:
    assert [row.pat_num for row in decode.parse_report_rows(decode_rows(make_body(1, 2**63 - 1)))] == [1, 2**63 - 1]


@pytest.mark.parametrize("pat_num", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_no_database_holds_is_refused(pat_num: int, golden: GoldenTexts) -> None:
    with pytest.raises(MalformedValue) as caught:
        decode.parse_report_rows(decode_rows(make_body(pat_num)))
    golden.check(caught.value)


def test_a_name_that_ends_in_half_an_emoji_does_not_hide_the_report() -> None:
    sent = make_body(11, 12).replace(b'"Elm"', b'"Elm \\ud83d"')
    assert [row.pat_num for row in decode.parse_report_rows(decode_rows(sent))] == [11, 12]


@pytest.mark.parametrize(("spelling", "cents"), [("370", 37_000), ("370.00", 37_000), (0.125, 12), ("1e2", 10_000)])
def test_an_amount_of_the_report_is_read_in_every_spelling(spelling: Any, cents: int) -> None:
    assert Row({"BalTotal": spelling}).get_cents("BalTotal", 10**15) == cents


@pytest.mark.parametrize("spelling", [True, None, "", "1e99", 1e300, "-inf", "12,50"])
def test_what_is_no_amount_names_its_column(spelling: Any) -> None:
    with pytest.raises(MalformedValue, match=r"^column BalTotal .* (amount|range)$"):
        Row({"BalTotal": spelling}).get_cents("BalTotal", 10**15)
