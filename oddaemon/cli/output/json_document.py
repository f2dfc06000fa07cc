"""JSON on standard output."""

import json
from collections.abc import Mapping
from typing import Any

import typer


def print_json(document: object, *, indent: int | None = 2) -> None:
    """Write a document to standard output; without an indent on one line."""
    typer.echo(json.dumps(document, indent=indent, ensure_ascii=False))


def print_outcome(document: Mapping[str, Any], *, as_json: bool, indent: int | None = None) -> None:
    """Write what a command did: the document, or its `outcome` for people."""
    if as_json:
        print_json(document, indent=indent)
    else:
        typer.echo(document["outcome"])
