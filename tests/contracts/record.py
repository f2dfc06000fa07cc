"""What the program says to others, as text to compare with: help, documents, metrics, events, verdicts on bad files.

`python -m tests.contracts.record` writes `golden/` again. First recorded on the commit before the restructuring, to
prove that the program after it is the same one; a difference is a contract that changed, see `docs/contracts.md`.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import typer
from prometheus_client.parser import text_string_to_metric_families
from typer.core import TyperGroup
from typer.testing import CliRunner

from docs.contract_words import list_events
from oddaemon.cli.app import app
from oddaemon.cli.lazy_command import load_commands
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.contracts.make_database import DATABASE, documents, settings_in, two_nights
from tests.settings.test_bad_configurations import CASES, ENVIRONMENT, write_case_files

GOLDEN = Path(__file__).parent / "golden"
FREE = frozenset({"fields", "labels"})
"""Objects whose fields are not the program's to name, or an event's."""
PLAIN = {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1", "ODDAEMON_CONFIG": None}
"""A terminal of 80 columns without colours."""


def help_of_every_command() -> str:
    """What `--help` says of each, in the order of the program's own help."""
    return "".join(_help(path) for path in _commands(load_commands(typer.main.get_group(app)), ()))


def _help(path: tuple[str, ...]) -> str:
    result = CliRunner(env=PLAIN).invoke(app, [*path, "--help"], terminal_width=80)
    assert result.exit_code == 0, result.output
    lines = "\n".join(line.rstrip() for line in result.stdout.splitlines())
    return f"$ {' '.join(('oddaemon', *path, '--help'))}\n{lines.rstrip()}\n\n"


def _commands(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from _commands(each, (*path, name))


def shapes_of_documents() -> str:
    """Fields and types of the JSON documents of the database that `make_database.py` made, no values."""
    shapes: dict[str, Any] = {}
    with TemporaryDirectory() as name:
        settings_in(Path(name))
        shutil.copyfile(DATABASE, Path(name, DATABASE.name))
        documents_found = documents(Path(name))
    for name, document in documents_found.items():
        kind = name if " of " in name or "since" in name else re.sub(r"^(explain|balances) .*", r"\1", name)
        shapes[kind] = _merge(shapes[kind], _shape(document)) if kind in shapes else _shape(document)
    return json.dumps(shapes, indent=1) + "\n"


def _shape(value: Any) -> Any:
    match value:
        case dict():
            return {key: "object" if key in FREE else _shape(each) for key, each in value.items()}
        case list():
            return [reduce(_merge, map(_shape, value))] if value else []
        case None:
            return "null"
        case _:
            return type(value).__name__


def _merge(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        both = one.keys() & other.keys()
        return {key: _merge(one[key], other[key]) if key in both else each for key, each in {**other, **one}.items()}
    if isinstance(one, list) and isinstance(other, list):
        return [_merge(one[0], other[0])] if one and other else one or other
    if isinstance(one, str) and isinstance(other, str):
        return "|".join(sorted({*one.split("|"), *other.split("|")}))
    shape = other if one == "null" else one
    return shape if "null or" in shape else {"null or": shape}


def families_of_a_night() -> str:
    """Every metric family of two simulated nights: name, type, labels, help; no values."""
    texts: list[str] = []

    async def live(directory: Path) -> None:
        async with two_nights(directory) as (world, _):
            texts.append(world.render_metrics())

    with TemporaryDirectory() as name:
        anyio.run(live, Path(name), backend_options={"loop_factory": make_virtual_loop})
    lines = []
    for family in text_string_to_metric_families(texts[0]):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        lines.append(f"{family.name} {family.type} {{{', '.join(labels)}}} {family.documentation}\n")
    return "".join(sorted(lines))


def verdicts_on_bad_configurations() -> str:
    """Of each bad configuration: the exit status of `check`, and where it finds problems; not what it says of them."""
    return "".join(_verdict(case) for case in CASES)


def _verdict(case: Path) -> str:
    with TemporaryDirectory() as name:
        directory = Path(name).resolve()
        write_case_files(case, directory)
        before = Path.cwd()
        os.chdir(directory)
        try:
            runner = CliRunner(env={**PLAIN, **ENVIRONMENT})
            result = runner.invoke(app, ["check", "--json", "--config", str(directory / "oddaemon.toml")])
        finally:
            os.chdir(before)
        problems = json.loads(result.stdout)["problems"]
        found = [_place(problem, directory) for problem in problems]
    return "".join(f"{line}\n" for line in (f"{case.stem}: exit {result.exit_code}, {len(found)} problems", *found))


def _place(problem: Mapping[str, Any], directory: Path) -> str:
    file = re.sub(f"^{re.escape(str(directory))}/", "", problem["file"])
    return f"  {file}:{'-' if problem['line'] is None else problem['line']}:{problem['key']}"


def events_of_the_log() -> str:
    """Every event that can be logged: its level, and its fields with their types."""
    return "".join(f"{name} {level} {fields}\n" for name, level, fields, _ in list_events())


RECORDINGS: Mapping[str, Callable[[], str]] = {
    "help.txt": help_of_every_command,
    "documents.json": shapes_of_documents,
    "metrics.txt": families_of_a_night,
    "bad_configurations.txt": verdicts_on_bad_configurations,
    "events.txt": events_of_the_log,
}


def main() -> None:
    """Write every one of them."""
    GOLDEN.mkdir(exist_ok=True)
    for name, record in RECORDINGS.items():
        (GOLDEN / name).write_text(record(), encoding="utf-8")


if __name__ == "__main__":
    main()
