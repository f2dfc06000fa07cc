"""`state verify`: what is wrong with what is stored, office by office; silent about amounts and guarantors."""

import json
from pathlib import Path

import typer

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.cli.gauge import gauge
from oddaemon.store.errors import StoreError, explained
from oddaemon.store.location import database_path
from oddaemon.store.soundness import Problem, Verification, verify


def verify_state(config: Path | None, database: Path | None, *, as_json: bool) -> None:
    """Write every problem; with any the command ends with the status of a failure."""
    path = database or database_path(settings_of(config).state.database)
    try:
        with explained(path), gauge("verifying") as progress:
            found = verify(path.expanduser().resolve(), progress)
    except StoreError as error:
        raise failure(str(error)) from error
    if as_json:
        typer.echo(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        _tell(found)
    if found.problems:
        raise typer.Exit(ExitStatus.FAILED)


def _tell(found: Verification) -> None:
    for problem in found.problems:
        typer.echo(_line(problem))
    read = f"{found.offices:,} offices, {found.snapshots:,} snapshots, {found.versions:,} versions of balances"
    read += f", {found.past_days:,} backfilled days"
    if not found.problems:
        typer.echo(f"{found.database} is sound: revision {found.revision}, {read}.")
        return
    number = "1 problem" if len(found.problems) == 1 else f"{len(found.problems):,} problems"
    typer.echo(
        f"{found.database} has {number} in {read}. Keep a copy of the file, and restore the last backup that verifies: "
        "`oddaemon state verify --database BACKUP`.",
        err=True,
    )


def _line(problem: Problem) -> str:
    where = [] if problem.office is None else [f"office {problem.office}"]
    where += [] if problem.snapshot is None else [f"snapshot {problem.snapshot}"]
    where += [] if problem.as_of is None else [f"backfilled day {problem.as_of}"]
    return f"{', '.join(where) or 'database'}: {problem.what}"


def _document(found: Verification) -> dict[str, object]:
    return {
        "database": str(found.database),
        "sound": not found.problems,
        "revision": found.revision,
        "offices": found.offices,
        "snapshots": found.snapshots,
        "versions": found.versions,
        "backfilled_days": found.past_days,
        "problems": [
            {
                "office": problem.office,
                "snapshot": problem.snapshot,
                "as_of": problem.as_of,
                "problem": problem.what,
            }
            for problem in found.problems
        ],
    }
