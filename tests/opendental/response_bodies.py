"""Answers as an office gives them, to be spoilt by tests."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.packing import Packing, format_row
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.opendental import decode
from oddaemon.opendental.document import decode_rows

JsonRow = dict[str, Any]
RowChange = Callable[[list[JsonRow]], Any]

PACKING = Packing(lane_span=2, lanes=3)
CANARY = "31415926"
"""A balance that no message may ever show."""
IDENTITY: JsonRow = {"Title": 1_111, "Phone": 2_222.0, "Address": 0}
BALANCES = [
    Balance(1, 0, 0, 100, 0, 0, 0, 0, 100),
    Balance(2, 0, -5, 0, 0, 0, 0, 0, -5),
    Balance(4, 3, 0, 0, 0, 0, int(CANARY), 0, int(CANARY)),
    Balance(9, 0, 7, 0, 0, 7, 0, 2500, 7),
]
READERS: dict[str, Callable[[bytes], object]] = {
    "control": lambda body: decode.parse_control(decode_rows(body)),
    "packed": lambda body: decode.parse_packed(decode_rows(body), PACKING),
    "page": lambda body: decode.parse_page(decode_rows(body), 0, 100),
    "moved": lambda body: decode.parse_changed(decode_rows(body), None),
    "clocks": lambda body: decode.parse_clocks(decode_rows(body)),
    "preference": lambda body: decode.parse_preference_page(decode_rows(body), "DateLastAging"),
}


def encode_rows(rows: object) -> bytes:
    return json.dumps(rows).encode()


def make_control_row(balances: Sequence[Balance] = BALANCES) -> JsonRow:
    totals = compute_totals(balances)
    names = ("EstBalance", "Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "InsEst", "BalTotal")
    sums = dict(zip((f"Sum{name}" for name in names), map(float, totals[1:8]), strict=True))
    return {
        "Guarantors": totals.guarantors,
        **sums,
        "Checksum": float(totals.checksum),
        "Touched": 3.0,
        "DateLastAging": "2026-03-03",
        "AgingBeginDateTime": "",
        "OfficeNow": "2026-03-03T02:05:00",
        "UtcNow": "2026-03-03T10:05:00",
        **IDENTITY,
    }


def make_packed_rows(balances: Sequence[Balance] = BALANCES, packing: Packing = PACKING) -> list[JsonRow]:
    groups: dict[int, list[Balance]] = {}
    for balance in balances:
        groups.setdefault(balance.pat_num // packing.group_span, []).append(balance)
    control = make_control_row(balances)
    if not groups:
        return [{**control, "G": None, "N": None, **_pack_columns([], packing)}]
    return [
        {**control, "G": group, "N": len(members), **_pack_columns(members, packing)}
        for group, members in groups.items()
    ]


def make_page_rows(balances: Sequence[Balance] = BALANCES) -> list[JsonRow]:
    return [{"Balance": format_row(balance)} for balance in balances]


def make_changed_rows(balances: Sequence[Balance] = BALANCES) -> list[JsonRow]:
    return [{"PatNum": balance.pat_num, "Balance": format_row(balance)} for balance in balances]


def make_clock_rows() -> list[JsonRow]:
    aging = {"DateLastAging": "2026-03-03", "AgingBeginDateTime": ""}
    return [{"OfficeNow": "2026-03-03T02:05:00", "UtcNow": "2026-03-03T10:05:00", **aging, **IDENTITY}]


def make_preference_rows() -> list[JsonRow]:
    return [{"PrefNum": 15, "PrefName": "DateLastAging", "ValueString": "2026-03-03"}]


GOOD: dict[str, Callable[[], list[JsonRow]]] = {
    "control": lambda: [make_control_row()],
    "packed": make_packed_rows,
    "page": make_page_rows,
    "moved": make_changed_rows,
    "clocks": make_clock_rows,
    "preference": make_preference_rows,
}


def _pack_columns(balances: Sequence[Balance], packing: Packing) -> JsonRow:
    texts: list[list[str]] = [[] for _ in range(packing.lanes)]
    for balance in balances:
        texts[balance.pat_num // packing.lane_span % packing.lanes].append(format_row(balance))
    return {f"L{column}": "|".join(text) or None for column, text in enumerate(texts)}
