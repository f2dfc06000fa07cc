"""`state verify`: what is wrong with what is stored, office by office; silent about amounts and guarantors."""

import json
from pathlib import Path

import typer

from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.maintenance.integrity import IntegrityProblem, Verification, verify


def verify_state(config: Path | None, database: Path | None, *, as_json: bool) -> None:
    """Write every problem; with any the command ends with the status of a failure."""
    path = database or parse_database_path(load_settings(config).state.database)
    try:
        with translate_errors(path), progress_bar("verifying") as progress:
            verification = verify(path.expanduser().resolve(), progress)
    except StoreError as error:
        raise fail(str(error)) from error
    if as_json:
        typer.echo(json.dumps(_make_document(verification), indent=2, ensure_ascii=False))
    else:
        _print_result(verification)
    if verification.problems:
        raise typer.Exit(ExitStatus.FAILED)


def _print_result(verification: Verification) -> None:
    for problem in verification.problems:
        typer.echo(_format_problem(problem))
    read = (
        f"{verification.offices:,} offices, {verification.snapshots:,} snapshots, "
        f"{verification.versions:,} versions of balances"
    )
    read += f", {verification.backfilled_days:,} backfilled days"
    if not verification.problems:
        typer.echo(f"{verification.database} is sound: revision {verification.revision}, {read}.")
        return
    number = "1 problem" if len(verification.problems) == 1 else f"{len(verification.problems):,} problems"
    typer.echo(
        f"{verification.database} has {number} in {read}. Keep a copy of the file, and restore the last "
        "backup that verifies: "
        "`oddaemon state verify --database BACKUP`.",
        err=True,
    )


def _format_problem(problem: IntegrityProblem) -> str:
    location = [] if problem.office is None else [f"office {problem.office}"]
    location += [] if problem.snapshot is None else [f"snapshot {problem.snapshot}"]
    location += [] if problem.as_of is None else [f"backfilled day {problem.as_of}"]
    return f"{', '.join(location) or 'database'}: {problem.what}"


def _make_document(verification: Verification) -> dict[str, object]:
    return {
        "database": str(verification.database),
        "valid": not verification.problems,
        "revision": verification.revision,
        "offices": verification.offices,
        "snapshots": verification.snapshots,
        "versions": verification.versions,
        "backfilled_days": verification.backfilled_days,
        "problems": [
            {
                "office": problem.office,
                "snapshot": problem.snapshot,
                "as_of": problem.as_of,
                "problem": problem.what,
            }
            for problem in verification.problems
        ],
    }
