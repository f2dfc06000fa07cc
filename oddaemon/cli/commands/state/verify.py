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
from oddaemon.store.history.integrity import IntegrityProblem, ProgressCallback, Verification
from oddaemon.store.opening import is_postgresql, requiring_driver
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.maintenance.integrity import verify as verify_file

_FILE_ADVICE = (
    "Keep a copy of the file, and restore the last backup that `oddaemon state verify --database BACKUP` finds intact."
)
_SERVER_ADVICE = (
    "Keep a dump of it, and restore the last backup into a database of its own. `oddaemon state verify --config FILE` "
    "verifies that one, if FILE names it."
)

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
    url = str(database) if database else load_settings(config).state.database_url.reveal()
    try:
        with progress_bar("verifying") as progress:
            verification = _verify_database(url, progress)
    except StoreError as error:
        raise fail(str(error)) from error
    if as_json:
        print_json(_make_document(verification))
    else:
        _print_result(url, verification)
    if verification.problems:
        raise typer.Exit(ExitStatus.FAILED)


def _verify_database(url: str, progress: ProgressCallback | None) -> Verification:
    if is_postgresql(url):
        with requiring_driver():
            from oddaemon.store.postgresql.integrity import verify as verify_server  # noqa: PLC0415 - of an extra
        return verify_server(url, progress)
    path = parse_database_path(url)
    with translate_errors(path):
        return verify_file(path.expanduser().resolve(), progress)


def _print_result(url: str, verification: Verification) -> None:
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
    else:
        count = format_count(len(verification.problems), "problem")
        advice = _SERVER_ADVICE if is_postgresql(url) else _FILE_ADVICE
        typer.echo(f"{verification.database} has {count} in {read}. {advice}", err=True)
    if verification.advice:
        typer.echo(verification.advice)


def _format_problem(problem: IntegrityProblem) -> str:
    location = [] if problem.office is None else [f"office {problem.office}"]
    location += [] if problem.snapshot is None else [f"snapshot {problem.snapshot}"]
    location += [] if problem.as_of is None else [f"backfilled day {problem.as_of}"]
    return f"{', '.join(location) or 'database'}: {problem.what}"


def _make_document(verification: Verification) -> dict[str, object]:
    return {
        "database": verification.database,
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
