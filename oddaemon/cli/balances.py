"""`balances`: the guarantors of an office's last published snapshot. What is written here is patient data."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import typer

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.failing import failure
from oddaemon.cli.fleet import Known, known_office, read_with
from oddaemon.cli.reading import BalanceFormat
from oddaemon.cli.sheet import Column, Sheet, plain
from oddaemon.core.model import Balance
from oddaemon.core.status import money, office_document
from oddaemon.core.verify import totals_of
from oddaemon.store import snapshots
from oddaemon.store.database import Database

KEYS = ("pat_num", "clinic_num")


def show_balances(config: Path | None, office_id: str, form: BalanceFormat, output: Path | None) -> None:
    """Write an office's balances; without a published snapshot the command ends with a message."""
    settings = settings_of(config)

    async def read(db: Database) -> tuple[Known, list[Balance]]:
        known = await known_office(db, settings, office_id)
        if known.snapshot is None:
            reason = known.status(datetime.now(UTC)).standing.reason
            raise failure(f"{office_id} has no published snapshot yet. {reason} See `oddaemon explain {office_id}`.")
        return known, await snapshots.balances(db, office_id, known.snapshot.id)

    known, balances = read_with(settings, read)
    text = "".join(_written(known, balances, form))
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        write_atomically(output, text)
    except OSError as error:
        raise failure(f"{output} cannot be written: {error.strerror}; nothing is changed there.") from error


def write_atomically(path: Path, text: str) -> None:
    """The whole text or the file as it was; readable by its owner alone.

    Raises:
        OSError: it cannot be written there.
    """
    # A symbolic link stays one: what it points to is replaced.
    path = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _written(known: Known, balances: Sequence[Balance], form: BalanceFormat) -> Iterator[str]:
    match form:
        case BalanceFormat.TABLE:
            yield from (f"{line}\n" for line in plain(_sheet(balances)))
        case BalanceFormat.CSV:
            yield _csv(balances)
        case BalanceFormat.JSON:
            yield json.dumps(_document(known, balances), indent=1, ensure_ascii=False) + "\n"


def _sheet(balances: Sequence[Balance]) -> Sheet:
    totals = totals_of(balances)
    sums = [money(getattr(totals, name)) for name in Balance._fields if name not in KEYS]
    return Sheet(
        [Column(name, right=True) for name in Balance._fields],
        [_cells(balance) for balance in balances],
        footer=["total", f"{len(balances):,}", *sums],
    )


def _csv(balances: Sequence[Balance]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Balance._fields)
    writer.writerows(map(_cells, balances))
    return file.getvalue()


def _cells(balance: Balance) -> list[str]:
    return [str(balance.pat_num), str(balance.clinic_num), *map(money, balance[len(KEYS) :])]


def _document(known: Known, balances: Sequence[Balance]) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "office": known.id,
        "snapshot": office_document(known.status(now), now)["snapshot"],
        "balances": [
            {
                name: value if name in KEYS else money(value)
                for name, value in zip(Balance._fields, balance, strict=True)
            }
            for balance in balances
        ],
    }
