"""Ways in which the rows of a ShortQuery can come back wrong, each by a name that a plan file can use.

All are pure and leave an empty answer as it is. None of them may end as a wrong number in somebody's snapshot.
"""

from collections.abc import Callable

from oddaemon.simulator.faults import Altered, Rows

LANE_BYTES = 1_024
"""What `group_concat_max_len` leaves of a string by default."""


def alteration(name: str) -> Altered:
    """The fault of this name.

    Raises:
        KeyError: no alteration has this name.
    """
    return Altered(name, ALTERATIONS[name])


def _drop_first_row(rows: Rows) -> Rows:
    return rows[1:]


def _drop_last_row(rows: Rows) -> Rows:
    return rows[:-1]


def _drop_all_rows(_rows: Rows) -> Rows:
    return []


def _repeat_row(rows: Rows) -> Rows:
    return rows[:1] + rows


def _reverse_rows(rows: Rows) -> Rows:
    return rows[::-1]


def _drop_column(rows: Rows) -> Rows:
    return [dict(list(row.items())[:-1]) for row in rows]


def _nulls(rows: Rows) -> Rows:
    return [_changed_last(row, lambda _: None) for row in rows]


def _texts(rows: Rows) -> Rows:
    return [_changed_last(row, lambda value: f"<{value}>") for row in rows]


def _not_a_number(rows: Rows) -> Rows:
    return [_changed_last(row, lambda _: float("nan")) for row in rows]


def _negative_numbers(rows: Rows) -> Rows:
    return [
        {name: -1 if isinstance(value, int) and value > 0 else value for name, value in row.items()} for row in rows
    ]


def _one_cent_more(rows: Rows) -> Rows:
    return [*rows[:-1], _changed_last(rows[-1], _more)] if rows else rows


def _cut_lanes(rows: Rows) -> Rows:
    return [{name: _cut(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows]


def _halve_longest_lane(rows: Rows) -> Rows:
    lanes = [
        (len(value), at, name)
        for at, row in enumerate(rows)
        for name, value in row.items()
        if isinstance(value, str) and "," in value
    ]
    if not lanes:
        return rows
    length, longest, name = max(lanes)
    halved = {**rows[longest], name: str(rows[longest][name])[: length // 2]}
    return [*rows[:longest], halved, *rows[longest + 1 :]]


def _cut(text: str) -> str:
    return text.encode()[:LANE_BYTES].decode(errors="ignore")


def _changed_last(row: dict[str, object], change: Callable[[object], object]) -> dict[str, object]:
    """The row with its last value that is not null changed."""
    for name in reversed(row):
        if row[name] is not None:
            return {**row, name: change(row[name])}
    return row


def _more(value: object) -> object:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value + 0.01
    head, comma, last = str(value).rpartition(",")
    return f"{head}{comma}{int(last) + 1}" if last.removeprefix("-").isdigit() else f"{value}1"


ALTERATIONS: dict[str, Callable[[Rows], Rows]] = {
    "drop_first_row": _drop_first_row,
    "drop_last_row": _drop_last_row,
    "drop_all_rows": _drop_all_rows,
    "repeat_row": _repeat_row,
    "reverse_rows": _reverse_rows,
    "drop_column": _drop_column,
    "nulls": _nulls,
    "texts": _texts,
    "not_a_number": _not_a_number,
    "negative_numbers": _negative_numbers,
    "one_cent_more": _one_cent_more,
    "cut_lanes": _cut_lanes,
    "halve_longest_lane": _halve_longest_lane,
}
