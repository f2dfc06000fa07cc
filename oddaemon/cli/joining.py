"""The commands by which offices come into the configuration, and the one that lists them."""

from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import AsJson, Config, format_examples


def register_onboarding(office: typer.Typer) -> None:
    """Add these commands to the family `office`."""
    office.command("list", epilog=format_examples("oddaemon office list", "oddaemon office list --json"))(list_command)
    office.command(
        epilog=format_examples(
            "oddaemon office add", "oddaemon office add --id elm --timezone America/Chicago --key-file -"
        )
    )(add)
    office.command(
        "import",
        epilog=format_examples("oddaemon office import coast.csv --dry-run", "oddaemon office import coast.csv"),
    )(import_csv)


def list_command(config: Config = None, as_json: AsJson = False) -> None:
    """List the offices of the configuration: id, name, whether switched on, tier, zone, labels. Keys are not shown.

    Below them stand those that were removed from it and whose data is kept.
    """
    from oddaemon.cli.commands.office_list import list_offices

    list_offices(config, as_json=as_json)


def add(
    *,
    office_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Short name, for commands, metrics and files.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Full name, for people.")] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Such as America/Chicago; else the office's clock is measured.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="Of the key: read_all, standard (default) or enterprise.")] = None,
    fresh_by: Annotated[
        str | None,
        typer.Option(metavar="HH:MM", help="On the office's clock; 07:00 by default; `never` is never late."),
    ] = None,
    clinics: Annotated[
        str | None, typer.Option(metavar="1,2,0", help="Only these ClinicNums; else all, hidden ones and 0 included.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="To find and group offices by.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="The office's own API on its network.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the customer key from it; - is standard input.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read the customer key from this variable.")
    ] = None,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Do not examine the office first.")] = False,
    config: Config = None,
) -> None:
    """Add an office: asks for what is not given, checks everything, examines the office, writes its file.

    On a terminal each answer is checked at once, and asked for again where
    something is wrong with it; the key is typed without being shown. Elsewhere
    the key is read from standard input.
    """
    from oddaemon.cli.onboarding.add import add_office
    from oddaemon.cli.onboarding.prompts import OfficeAnswers

    answers = OfficeAnswers(
        id=office_id,
        name=name,
        timezone=timezone,
        tier=tier,
        fresh_by=fresh_by,
        clinics=clinics,
        labels=tuple(label or ()),
        key_file=key_file,
        key_env=key_env,
        base_url=base_url,
        probe=not no_probe,
    )
    add_office(config, answers)


def import_csv(
    csv: Annotated[Path, typer.Argument(metavar="FILE.csv", help="With a header: id,name,customer_key,timezone,…")],
    into: Annotated[
        str | None, typer.Option(metavar="NAME", help="The new directory's name; by default that of the file.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")] = False,
    config: Config = None,
) -> None:
    """Add all offices of a CSV, or none: every problem is listed with its line; nothing is written before all is well.

    Columns are an office's settings; clinics and labels have semicolons between
    (1;2;0, group=coast;region=west). An empty cell is the default; `never` as
    fresh_by never calls an office late. A column that is unknown hides no other
    problem.
    """
    from oddaemon.cli.onboarding.import_csv import ImportOptions, import_offices

    import_offices(config, ImportOptions(csv, into, dry_run=dry_run))
