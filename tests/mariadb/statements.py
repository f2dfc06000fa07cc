"""Every statement that the project can send to an office, in every shape that its arguments give it."""

import inspect
from collections.abc import Iterator, Sequence
from datetime import datetime

from oddaemon.core.model import Include, OfficeSpec
from oddaemon.core.snapshot.packing import COLUMNS_PER_GROUP_MAX, FIRST_PACKING, Packing
from oddaemon.opendental import sql

INSTANTS = tuple(map(datetime.fromisoformat, ("2026-11-21 02:00", "2000-01-01", "2026-11-22 01:50", "2037-12-31")))
"""On the office's clock: about the last aging, before everything, now, and after everything."""
TRUNCATING_PACKING = Packing(lane_span=64, lanes=4)
"""Puts more into a lane than a small GROUP_CONCAT holds."""
PACKINGS = (
    FIRST_PACKING,
    TRUNCATING_PACKING,
    Packing(lane_span=1, lanes=8),
    Packing(lane_span=1000, lanes=COLUMNS_PER_GROUP_MAX),
)
OFFICES = (
    OfficeSpec("elm", "Elm"),
    OfficeSpec("elm", "Elm", clinics=(1,), page_rows=7),
    OfficeSpec("elm", "Elm", include=Include.DEBTS),
    OfficeSpec("elm", "Elm", include=Include.DEBTS, clinics=(0, 2), page_rows=1000),
)
STATEMENT_FUNCTIONS = frozenset(
    {
        "select_all",
        "select_changed",
        "select_clinic_shares",
        "select_clocks",
        "select_control",
        "select_density",
        "select_packed",
        "select_page",
        "select_registered_keys",
    }
)
"""The functions that make a statement, all of them used below."""


def make_all_statements(pat_nums: Sequence[int]) -> Iterator[str]:
    """Each kind of statement for each kind of office.

    Args:
        pat_nums: Of the office, ascending: some statements start between them, and some behind the last.
    """
    starts = (None, *pat_nums[len(pat_nums) // 2 :][:1], *pat_nums[-1:], 0)
    yield sql.select_clocks()
    yield sql.select_registered_keys("O'Dea & Sons (US)")
    for office in OFFICES:
        yield sql.select_all(office)
        yield sql.select_clinic_shares(office)
        yield sql.select_density(office)
        yield sql.select_packed(office, FIRST_PACKING, sql.PAT_NUM_MAX)
        yield sql.select_control(office)
        yield sql.select_packed(office, FIRST_PACKING, None)
        for after, since, packing in zip(starts, INSTANTS, PACKINGS, strict=False):
            yield sql.select_control(office, since)
            yield sql.select_page(office, after)
            yield sql.select_changed(office, since, after)
            yield sql.select_packed(office, packing, after, since)


def list_statement_functions() -> set[str]:
    """The names under which the module offers statements."""
    return {
        name
        for name, value in vars(sql).items()
        if inspect.isfunction(value) and value.__module__ == sql.__name__ and not name.startswith("_")
    }
