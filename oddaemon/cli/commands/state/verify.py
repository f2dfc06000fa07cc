"""`state verify`: problems of the stored data, office by office. The output holds no amounts and no guarantors."""

from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.core.reporting.formatting import format_count
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.maintenance.integrity import IntegrityProblem, Verification
from oddaemon.store.sqlite.maintenance.integrity import verify as verify_database

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon state verify", "oddaemon state verify --database /backup/oddaemon.db"))
def verify(
    config: Config = None,
    database: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Verify this file, such as a backup, instead of the configured database."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    path = database or load_settings(config).state.path
    try:
        with translate_errors(path), progress_bar("verifying") as progress:
            verification = verify_database(path.expanduser().resolve(), progress)
    except StoreError as error:
        raise fail(str(error)) from error
    if as_json:
        print_json(_make_document(verification))
    else:
        _print_result(verification)
    if verification.problems:
        raise typer.Exit(ExitStatus.FAILED)


def _print_result(verification: Verification) -> None:
    for problem in verification.problems:
        typer.echo(_format_problem(problem))
    counts = (
        (verification.offices, "office"),
        (verification.snapshots, "snapshot"),
        (verification.versions, "balance version"),
        (verification.backfilled_days, "backfilled day"),
    )
    read = ", ".join(format_count(number, noun) for number, noun in counts)
    if not verification.problems:
        typer.echo(f"{verification.database} is intact: revision {verification.revision}, {read}.")
        return
    typer.echo(
        f"{verification.database} has {format_count(len(verification.problems), 'problem')} in {read}. Keep a copy of "
        "the file, and restore the last backup that `oddaemon state verify --database BACKUP` finds intact.",
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
