"""Corruptions of the rows of a ShortQuery, each with a name for plan files.

All functions are pure and leave an empty result unchanged. No corruption may cause a wrong number in a snapshot.
"""

from collections.abc import Callable

from oddaemon.simulator.faults.faults import Altered, Rows

GROUP_CONCAT_BYTES_MAX = 1_024
"""The default of `group_concat_max_len`."""


def get_alteration(name: str) -> Altered:
    """The fault of this name.

    Raises:
        KeyError: No corruption has this name.
    """
    return Altered(name, ALTERATIONS[name])


def _replace_with_negatives(rows: Rows) -> Rows:
    return [
        {name: -1 if isinstance(value, int) and value > 0 else value for name, value in row.items()} for row in rows
    ]


def _add_one_cent(rows: Rows) -> Rows:
    return [*rows[:-1], _change_last(rows[-1], _increment)] if rows else rows


def _truncate_columns(rows: Rows) -> Rows:
    return [
        {name: _truncate(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
    ]


def _halve_longest_column(rows: Rows) -> Rows:
    columns = [
        (len(value), index, name)
        for index, row in enumerate(rows)
        for name, value in row.items()
        if isinstance(value, str) and "," in value
    ]
    if not columns:
        return rows
    length, row_index, name = max(columns)
    halved = {**rows[row_index], name: str(rows[row_index][name])[: length // 2]}
    return [*rows[:row_index], halved, *rows[row_index + 1 :]]


def _truncate(text: str) -> str:
    return text.encode()[:GROUP_CONCAT_BYTES_MAX].decode(errors="ignore")


def _change_last(row: dict[str, object], change: Callable[[object], object]) -> dict[str, object]:
    """The row with its last non-null value changed."""
    for name in reversed(row):
        if row[name] is not None:
            return {**row, name: change(row[name])}
    return row


def _increment(value: object) -> object:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value + 0.01
    head, comma, last = str(value).rpartition(",")
    return f"{head}{comma}{int(last) + 1}" if last.removeprefix("-").isdigit() else f"{value}1"


ALTERATIONS: dict[str, Callable[[Rows], Rows]] = {
    "drop_first_row": lambda rows: rows[1:],
    "drop_last_row": lambda rows: rows[:-1],
    "drop_all_rows": lambda _: [],
    "repeat_row": lambda rows: rows[:1] + rows,
    "reverse_rows": lambda rows: rows[::-1],
    "drop_column": lambda rows: [dict(list(row.items())[:-1]) for row in rows],
    "nulls": lambda rows: [_change_last(row, lambda _: None) for row in rows],
    "texts": lambda rows: [_change_last(row, lambda value: f"<{value}>") for row in rows],
    "not_a_number": lambda rows: [_change_last(row, lambda _: float("nan")) for row in rows],
    "negative_numbers": _replace_with_negatives,
    "one_cent_more": _add_one_cent,
    "cut_lanes": _truncate_columns,
    "halve_longest_lane": _halve_longest_column,
}
