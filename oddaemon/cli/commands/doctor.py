"""`doctor`: diagnose offices step by step."""

from typing import Annotated

import typer

from oddaemon.cli.args.options import DEFAULT_CONCURRENCY, AsJson, Concurrency, Config, make_office_argument
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.diagnostics import show_diagnoses, show_diagnosis
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.diagnosis import (
    diagnose_offices,
    exit_if_unhealthy,
    make_diagnoses_document,
    select_offices,
)

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon doctor bright-smiles", "oddaemon doctor"))
def doctor(
    offices: Annotated[list[str] | None, make_office_argument("The offices' ids (default: all, in a table).")] = None,
    config: Config = None,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    as_json: AsJson = False,
) -> None:
    """Sends about fourteen requests per office, with the configured key and at its
    pace; through the daemon if it watches the office.
    """
    settings = load_settings(config)
    diagnoses = diagnose_offices(settings, select_offices(settings, offices or ()), concurrency)
    if as_json:
        print_json(make_diagnoses_document(diagnoses))
    elif offices:
        for diagnosis in diagnoses:
            show_diagnosis(diagnosis)
    else:
        show_diagnoses(diagnoses)
    exit_if_unhealthy(diagnoses)
