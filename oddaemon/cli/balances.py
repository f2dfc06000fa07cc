"""`balances`: an office's guarantors on any day, or the totals of the fleet. What is written here is patient data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import typer

from oddaemon.cli.data import Form
from oddaemon.cli.exporting import NOTHING, Answer, deliver, sheet_of
from oddaemon.cli.failing import failure
from oddaemon.cli.pictures import archive_of, office_in, picture_document
from oddaemon.cli.sheet import Sheet
from oddaemon.core.model import MONEY_COLUMNS, Balance, ControlTotals
from oddaemon.core.status import money
from oddaemon.core.untold import as_shown
from oddaemon.settings import Settings
from oddaemon.sinks.formats import BALANCE_COLUMNS, Column, Envelope, Kind, Row, Tally
from oddaemon.store.archive import Archive
from oddaemon.store.errors import DatabaseDamaged
from oddaemon.store.picture import Picture, SnapshotMissing, chosen, sums_of

FLEET_COLUMNS = (
    Column("scope", Kind.TEXT),
    Column("name", Kind.TEXT),
    Column("offices", Kind.INTEGER),
    Column("oldest_aging_date", Kind.DATE),
    Column("guarantors", Kind.INTEGER),
    *(Column(name, Kind.MONEY) for name in MONEY_COLUMNS),
)
"""Scope is `office`, `label` (named `key=value`) or `fleet`."""


def show_balances(
    config: Path | None, office_id: str, as_of: date | int | None, form: Form | None, output: Path | None
) -> None:
    """Write an office's balances; without a published snapshot the command ends with a message."""
    with archive_of(config) as (archive, settings):
        office, pictures = office_in(archive, settings, office_id)
        picture = chosen(pictures, as_of, office_id)
        untold = archive.untold(office, picture)
        proved = _proved(archive, archive.balances(office, picture), picture.totals)
        answer = Answer(
            columns=BALANCE_COLUMNS,
            batches=([as_shown(each, untold) for each in rows] for rows in proved) if untold else proved,
            envelope=Envelope("balances", {"office": office_id, "snapshot": picture_document(picture)}),
            sheet=lambda rows: _sheet(rows, picture),
            proof={"control_totals": _told(picture)},
        )
        deliver(answer, form, output)


def show_fleet(config: Path | None, as_of: date | int | None, form: Form | None, output: Path | None) -> None:
    """Write the totals of each office, of each label, and of all of them together."""
    if isinstance(as_of, int):
        raise typer.BadParameter("an id is one office's; name a date with --fleet.", param_hint="--as-of")
    with archive_of(config) as (archive, settings):
        rows, missing = _fleet_rows(archive, settings, as_of)
    if not rows:
        raise failure("no office has a published snapshot" + ("." if as_of is None else f" of {as_of}."))
    if missing:
        typer.echo(f"Without a snapshot{f' of {as_of}' if as_of else ''}, not counted: {', '.join(missing)}.", err=True)
    head = {"as_of": None if as_of is None else as_of.isoformat(), "without_snapshot": missing}
    answer = Answer(FLEET_COLUMNS, [rows], Envelope("totals", head), lambda rows: sheet_of(FLEET_COLUMNS, rows))
    deliver(answer, form, output)


def _proved(archive: Archive, batches: Iterator[list[Balance]], totals: ControlTotals) -> Iterator[list[Balance]]:
    """The batches; an error after the last one unless they add up to what was published."""
    tally = Tally(BALANCE_COLUMNS)
    for balances in batches:
        tally.add(balances)
        yield balances
    if tally.rows != totals.guarantors or any(tally.totals[name] != getattr(totals, name) for name in MONEY_COLUMNS):
        raise DatabaseDamaged(archive.path, "balances do not add up to what was published; `oddaemon state verify`")


def _told(picture: Picture) -> dict[str, object]:
    sums = {name: None if cents is None else money(cents) for name, cents in sums_of(picture).items()}
    return {"guarantors": picture.totals.guarantors, **sums, "checksum": picture.totals.checksum}


def _sheet(rows: Sequence[Row], picture: Picture) -> Sheet:
    sums = [NOTHING if cents is None else money(cents) for cents in sums_of(picture).values()]
    return sheet_of(BALANCE_COLUMNS, rows, ["total", f"{picture.totals.guarantors:,}", *sums])


@dataclass(slots=True)
class _Sum:
    """Totals of several offices; a sum to which one of them tells nothing is None."""

    offices: int = 0
    oldest: date = date.max
    guarantors: int = 0
    money: tuple[int | None, ...] = (0,) * len(MONEY_COLUMNS)

    def add(self, snapshot: Picture) -> None:
        sums = zip(self.money, sums_of(snapshot).values(), strict=True)
        self.offices += 1
        self.oldest = min(self.oldest, snapshot.aging_date)
        self.guarantors += snapshot.totals.guarantors
        self.money = tuple(None if one is None or more is None else one + more for one, more in sums)

    def row(self, scope: str, name: str) -> Row:
        return scope, name, self.offices, self.oldest, self.guarantors, *self.money


def _fleet_rows(archive: Archive, settings: Settings, as_of: date | None) -> tuple[list[Row], list[str]]:
    """A row for each office, label, and the fleet; and the offices that have no such snapshot."""
    labels = {each.office.id: each.office.labels for each in settings.offices}
    offices: dict[str, _Sum] = {}
    labelled: dict[str, _Sum] = {}
    fleet, missing = _Sum(), sorted(labels.keys() - {office.id for office in archive.offices()})
    for office in archive.offices():
        if not (office.is_wanted or office.id in labels):
            continue
        try:
            snapshot = chosen(archive.pictures(office), as_of, office.id)
        except SnapshotMissing:
            missing.append(office.id)
            continue
        names = [f"{key}={value}" for key, value in labels.get(office.id, ())]
        for each in (offices.setdefault(office.id, _Sum()), *(labelled.setdefault(name, _Sum()) for name in names)):
            each.add(snapshot)
        fleet.add(snapshot)
    rows = [each.row("office", name) for name, each in offices.items()]
    rows += [each.row("label", name) for name, each in sorted(labelled.items())]
    return [*rows, fleet.row("fleet", "")] if rows else [], sorted(missing)
