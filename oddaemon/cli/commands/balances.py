"""`balances`: the guarantors of an office on any day, or the totals of the fleet. The output is patient data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.day_range import AsOf
from oddaemon.cli.args.options import Config, Format, Output, make_office_argument
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.export import EMPTY_CELL, TabularResult, make_text_table, write_result
from oddaemon.cli.output.table import TextTable
from oddaemon.cli.sources.history import make_day_document, open_history, require_office_days
from oddaemon.core.model import MONEY_COLUMNS, Balance, ControlTotals
from oddaemon.core.reporting.formatting import format_money
from oddaemon.core.snapshot.missing_columns import mask_missing_columns
from oddaemon.settings import Settings
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS, ColumnType, ExportColumn, Row
from oddaemon.sinks.formats.export import ControlSums
from oddaemon.sinks.formats.text import Envelope
from oddaemon.store.errors import DatabaseDamaged
from oddaemon.store.history.day import HistoryDay, SnapshotMissing, get_column_sums, select_day
from oddaemon.store.history.reader import HistoryReader

FLEET_COLUMNS = (
    ExportColumn("scope", ColumnType.TEXT),
    ExportColumn("name", ColumnType.TEXT),
    ExportColumn("offices", ColumnType.INTEGER),
    ExportColumn("oldest_aging_date", ColumnType.DATE),
    ExportColumn("guarantors", ColumnType.INTEGER),
    *(ExportColumn(name, ColumnType.MONEY) for name in MONEY_COLUMNS),
)
"""Scope is `office`, `label` (named `key=value`) or `fleet`."""


app = typer.Typer()


@app.command(
    epilog=format_examples(
        "oddaemon balances elm", "oddaemon balances elm --as-of 2026-03-02 -o then.csv", "oddaemon balances --fleet"
    )
)
def balances(
    office: Annotated[str | None, make_office_argument("The office's id.")] = None,
    *,
    config: Config = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="Show totals of every office and label instead.")] = False,
    as_of: AsOf = None,
    output_format: Format = None,
    output: Output = None,
) -> None:
    if fleet == (office is not None):
        raise typer.BadParameter("name an office, or use --fleet for all of them.", param_hint="OFFICE")
    with _open_balances(config, office, as_of) if office is not None else _open_fleet_totals(config, as_of) as result:
        write_result(result, output_format, output)


@contextmanager
def _open_balances(config: Path | None, office_id: str, as_of: date | int | None) -> Iterator[TabularResult]:
    with open_history(config) as (reader, settings):
        day = select_day(require_office_days(reader, settings, office_id), as_of, office_id)
        missing_columns = reader.find_missing_columns(day)
        verified = _verify_totals(reader, reader.read_balances(day), day.totals)
        yield TabularResult(
            columns=BALANCE_COLUMNS,
            batches=([mask_missing_columns(each, missing_columns) for each in rows] for rows in verified)
            if missing_columns
            else verified,
            envelope=Envelope("balances", {"office": office_id, "snapshot": make_day_document(day)}),
            make_table=lambda rows: _make_table(rows, day),
            manifest_fields={"control_totals": _make_control_totals(day)},
        )


@contextmanager
def _open_fleet_totals(config: Path | None, as_of: date | int | None) -> Iterator[TabularResult]:
    """Totals of each office, of each label, and of the fleet."""
    if isinstance(as_of, int):
        raise typer.BadParameter("--fleet needs a date: an id belongs to one office.", param_hint="--as-of")
    with open_history(config) as (reader, settings):
        rows, missing = _make_fleet_rows(reader, settings, as_of)
    if not rows:
        raise fail(f"no office has a published snapshot{f' of {as_of}' if as_of else ''}")
    if missing:
        typer.echo(f"Not included (no snapshot{f' of {as_of}' if as_of else ''}): {', '.join(missing)}.", err=True)
    head = {"as_of": None if as_of is None else as_of.isoformat(), "without_snapshot": missing}
    yield TabularResult(
        FLEET_COLUMNS, [rows], Envelope("totals", head), lambda rows: make_text_table(FLEET_COLUMNS, rows)
    )


def _verify_totals(
    reader: HistoryReader, batches: Iterator[list[Balance]], totals: ControlTotals
) -> Iterator[list[Balance]]:
    """The batches; raises after the last one unless they add up to the published totals."""
    tally = ControlSums(BALANCE_COLUMNS)
    for balances in batches:
        tally.add(balances)
        yield balances
    if tally.rows != totals.guarantors or any(tally.totals[name] != getattr(totals, name) for name in MONEY_COLUMNS):
        raise DatabaseDamaged(
            reader.where, "balances do not add up to the published totals; run `oddaemon state verify`"
        )


def _make_control_totals(day: HistoryDay) -> dict[str, object]:
    sums = {name: None if cents is None else format_money(cents) for name, cents in get_column_sums(day).items()}
    return {"guarantors": day.totals.guarantors, **sums, "checksum": day.totals.checksum}


def _make_table(rows: Sequence[Row], day: HistoryDay) -> TextTable:
    sums = [EMPTY_CELL if cents is None else format_money(cents) for cents in get_column_sums(day).values()]
    return make_text_table(BALANCE_COLUMNS, rows, ["total", f"{day.totals.guarantors:,}", *sums])


@dataclass(slots=True)
class _Totals:
    """Totals of several offices; a sum is None if one of them lacks that column."""

    offices: int = 0
    oldest_aging_date: date = date.max
    guarantors: int = 0
    amounts: tuple[int | None, ...] = (0,) * len(MONEY_COLUMNS)

    def add(self, day: HistoryDay) -> None:
        sums = zip(self.amounts, get_column_sums(day).values(), strict=True)
        self.offices += 1
        self.oldest_aging_date = min(self.oldest_aging_date, day.aging_date)
        self.guarantors += day.totals.guarantors
        self.amounts = tuple(None if one is None or more is None else one + more for one, more in sums)

    def to_row(self, scope: str, name: str) -> Row:
        return scope, name, self.offices, self.oldest_aging_date, self.guarantors, *self.amounts


def _make_fleet_rows(reader: HistoryReader, settings: Settings, as_of: date | None) -> tuple[list[Row], list[str]]:
    """A row for each office, each label and the fleet; and the offices without such a snapshot."""
    labels = {office_id: each.spec.labels for office_id, each in settings.offices.items()}
    by_office: dict[str, _Totals] = {}
    by_label: dict[str, _Totals] = {}
    fleet, missing = _Totals(), sorted(labels.keys() - {office_id for office_id, *_ in reader.list_offices()})
    for office_id, _, is_configured in reader.list_offices():
        if not (is_configured or office_id in labels):
            continue
        try:
            day = select_day(reader.list_days(office_id), as_of, office_id)
        except SnapshotMissing:
            missing.append(office_id)
            continue
        names = [f"{key}={value}" for key, value in labels.get(office_id, ())]
        for each in (
            by_office.setdefault(office_id, _Totals()),
            *(by_label.setdefault(name, _Totals()) for name in names),
        ):
            each.add(day)
        fleet.add(day)
    rows = [each.to_row("office", name) for name, each in by_office.items()]
    rows += [each.to_row("label", name) for name, each in sorted(by_label.items())]
    return [*rows, fleet.to_row("fleet", "")] if rows else [], sorted(missing)
