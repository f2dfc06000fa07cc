"""Writes the list of all contracts, from the code itself: what stands between the braces of `contracts.template.md`.

`python -m docs.contracts --write` writes `contracts.md` beside this file; without `--write` it is shown.
"""

import dataclasses
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from sqlalchemy import CheckConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import sqlite
from starlette.routing import Route
from typer.core import TyperArgument, TyperGroup

import oddaemon.api
from docs.contract_renames import RENAMED
from docs.contract_samples import list_application_routes, make_sink_samples
from docs.contract_words import SAMPLE_INSTANT, describe_bounds, describe_type, list_events, render_names, render_table
from oddaemon.admin import inspection, office_details
from oddaemon.cli.app import app
from oddaemon.cli.commands.balances import FLEET_COLUMNS
from oddaemon.cli.commands.check import LoadEstimate, LoadGroup
from oddaemon.cli.commands.history import COLUMNS as HISTORY_COLUMNS
from oddaemon.cli.lazy_command import load_commands
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.core import config_diff, delivery, model
from oddaemon.core.backfill import job
from oddaemon.core.diagnostics import diagnosis
from oddaemon.core.failures import failure
from oddaemon.core.fleet.overview import FleetOverview
from oddaemon.core.office import aging
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting import fleet_document, status_document
from oddaemon.core.secret import Secret
from oddaemon.settings.files.problem import Problem
from oddaemon.settings.files.secret_sources import get_source_names
from oddaemon.settings.load import _SECTIONS
from oddaemon.settings.tables.base import Table as SettingsTable
from oddaemon.settings.tables.office import OfficeTable
from oddaemon.settings.tables.sink import SINK_TABLES
from oddaemon.settings.tables.state import get_host_name
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS, CHANGE_COLUMNS, ExportColumn
from oddaemon.store import schema
from oddaemon.store.backfill_jobs import _PageProgress
from oddaemon.store.history.day import DaySource
from oddaemon.store.sqlite.maintenance.info import DatabaseInfo
from oddaemon.telemetry.metrics.fleet import FleetMetrics
from oddaemon.telemetry.metrics.hosts import collect_host_metrics
from oddaemon.telemetry.metrics.office import collect_office_metrics

PAGE = Path(__file__).parent / "contracts.md"
TEMPLATE = Path(__file__).parent / "contracts.template.md"

EXIT_STATUS = {
    ExitStatus.DONE: "done",
    ExitStatus.FAILED: "failed; standard error says what, and what to do. `doctor`, `check --live`: someone must act",
    ExitStatus.USAGE: "the command line is wrong",
    ExitStatus.NOT_ALL_FRESH: "`status --check`: not every office is fresh",
    ExitStatus.BAD_CONFIGURATION: "bad configuration: every problem is on standard error",
}
VALUES: Mapping[str, type[Enum]] = {
    "condition of an office": model.Condition,
    "owner of a failure": model.Owner,
    "reader": model.Reader,
    "include": model.Include,
    "change of a guarantor": model.ChangeKind,
    "source of balances": DaySource,
    "status of an office's aging": aging.AgingStatus,
    "kind of a failure": failure.FailureKind,
    "step of the doctor": diagnosis.CheckName,
    "outcome of a step of the doctor": diagnosis.CheckOutcome,
    "way of a backfill": job.BackfillMethod,
    "stage of a backfill": job.JobState,
    "step of a backfill": job.UploadStep,
    "state of a delivery": delivery.DeliveryState,
    "content of a delivery": delivery.Content,
    "source of a document": office_details.DataSource,
}


def render_page() -> str:
    """The page."""
    parts = {name: make() for name, make in PARTS.items()}

    def part(found: re.Match[str]) -> str:
        return parts.pop(found[1])

    text = re.sub(r"\{([a-z_]+)\}", part, TEMPLATE.read_text(encoding="utf-8"))
    assert not parts, f"the template has no place for {', '.join(parts)}"
    return text


def render_renames() -> str:
    """The table of old and new names, for this page and the changelog."""
    rows = [(kind, f"`{old}`", f"`{new}`") for kind, names in RENAMED.items() for old, new in names.items()]
    return render_table(("kind of name", "old", "new"), rows)


def _render_exit_status() -> str:
    return render_table(("exit status", "means"), [(str(each.value), EXIT_STATUS[each]) for each in ExitStatus])


def _render_commands() -> str:
    commands = _list_commands(load_commands(typer.main.get_group(app)), "oddaemon")
    return render_table(("command", "arguments and options"), commands)


def _list_commands(command: Any, name: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - Typer's own copy of click
    if isinstance(command, TyperGroup):
        for word, each in command.commands.items():
            yield from _list_commands(each, f"{name} {word}")
        return
    yield f"`{name}`", " ".join(_format_parameter(each) for each in command.params) or "-"


def _format_parameter(each: Any) -> str:  # noqa: ANN401 - Typer's own copy of click
    hint = each.type_descriptor.annotation
    inner = typing.get_args(hint)[0] if typing.get_origin(hint) is list else hint
    value = each.metavar or describe_type(inner).replace(" | ", "|")
    if isinstance(each, TyperArgument):
        words = each.metavar or str(each.name).upper()
    else:
        words = ", ".join(each.opts) + ("" if each.is_flag else f" {value}")
    many = "…" if each.multiple or each.nargs == -1 else ""
    return f"`{words}{many}`" if each.required else f"`[{words}{many}]`"


def _render_settings() -> str:
    tables: list[tuple[str, type[SettingsTable]]] = [(f"[{name}]", table) for name, table in _SECTIONS.items()]
    tables.append(("[[office]]", OfficeTable))
    tables += [(f'[[sink]] with `kind = "{kind}"`', table) for kind, table in SINK_TABLES.items()]
    return "\n\n".join(f"### {head}\n\n{_render_table(table)}" for head, table in tables)


def _render_table(table: type[SettingsTable]) -> str:
    rows = [
        (" / ".join(f"`{source}`" for source in get_source_names(secret)), "secret", _get_default(table, secret))
        for secret in table.secrets
    ]
    for name, field in table.model_fields.items():
        if name not in table.secrets:
            bounds = "".join(describe_bounds(each) for each in field.metadata)
            rows.append((f"`{name}`", describe_type(field.annotation) + bounds, _get_default(table, name)))
    return render_table(("key", "type", "default"), rows)


def _get_default(table: type[BaseModel], name: str) -> str:
    field = table.model_fields.get(name)
    if field is None or (field.default is PydanticUndefined and field.default_factory is None):
        return "required"
    if field.default_factory is get_host_name:
        return "the machine's host name"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Secret):
        value = value.reveal()
    return "none" if value is None else f"`{json.dumps(value, default=str)}`"


def _render_paths(routes: Iterable[Route]) -> str:
    rows = [(each.path, method) for each in routes for method in sorted((each.methods or set()) - {"HEAD"})]
    return render_table(("path", "method"), [(f"`{path.replace(':path', '')}`", method) for path, method in rows])


def _render_documents(documents: Mapping[str, type]) -> str:
    rows = []
    for place, document in documents.items():
        names = document.__annotations__ if place.startswith("+") else typing.get_type_hints(document)
        hints = typing.get_type_hints(document)
        rows += [(place.removeprefix("+"), f"`{name}`", describe_type(hints[name])) for name in names]
    text = render_table(("of", "field", "type"), rows)
    for name, reference in _PLACES.items():
        text = text.replace(name, reference)
    return text


_PLACES = {
    "OfficeDocument": "object, see `offices`",
    "SummaryDocument": "object, see `summary`",
    "DaemonDocument": "object, see `daemon`",
    "SnapshotDocument": "object, see `snapshot`",
    "KeyRotationDocument": "object, see `key_trial`",
    "FleetOverviewDocument": "object, see `fleet --json`",
    "MemberDocument": "object, see `members`",
    "HeldDocument": "object, see `offices`",
    "DifferenceDocument": "object, see `differences`",
    "ReplicationDocument": "object, see `database`",
    "PreferencesDocument": "object, see `preferences`",
    "PackingDocument": "object, see `packing`",
    "PullDocument": "object, see `last_pull`",
    "EntryDocument": "object, see `journal`",
    "ConfigChange": "object, see `changed`",
}


def _render_status_documents() -> str:
    return _render_documents(
        {
            "the document": inspection.FleetDocument,
            "`offices`": status_document.OfficeDocument,
            "`snapshot` of an office": status_document.SnapshotDocument,
            "`key_trial` of an office": status_document.KeyRotationDocument,
            "`summary`": status_document.SummaryDocument,
            "`daemon`": inspection.DaemonDocument,
        }
    )


def _render_fleet_documents() -> str:
    return _render_documents(
        {
            "the document": fleet_document.FleetOverviewDocument,
            "`members` and `gone`": fleet_document.MemberDocument,
            "`offices`": fleet_document.HeldDocument,
            "`differences`": fleet_document.DifferenceDocument,
            "`database`": fleet_document.ReplicationDocument,
        }
    )


def _render_explain_documents() -> str:
    inherited = inspection.FleetDocument.__annotations__ | status_document.OfficeDocument.__annotations__
    own = {
        name: each
        for name, each in typing.get_type_hints(office_details.OfficeDetails).items()
        if name not in inherited
    }
    return _render_documents(
        {
            "the document": typing.TypedDict("Own", own),  # type: ignore[operator]  # made at run time
            "`preferences`": office_details.PreferencesDocument,
            "`packing`": office_details.PackingDocument,
            "`last_pull`": office_details.PullDocument,
            "`journal`": office_details.EntryDocument,
        }
    )


def _render_row_documents() -> str:
    def columns(of: Sequence[ExportColumn]) -> str:
        return ", ".join(f"`{each.name}` {each.kind.name.lower()}" for each in of)

    rows = (
        ("balances", "`office`, `snapshot`", "`balances`", columns(BALANCE_COLUMNS)),
        ("balances --fleet", "`as_of`, `without_snapshot`", "`totals`", columns(FLEET_COLUMNS)),
        ("changes", "`office`, `from`, `to`", "`changes`", columns(CHANGE_COLUMNS)),
        ("history", "`office`", "`nights`", columns(HISTORY_COLUMNS)),
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _render_values() -> str:
    return render_table(
        ("what", "values"), [(what, render_names(str(each.value) for each in kind)) for what, kind in VALUES.items()]
    )


def _render_office_metrics() -> str:
    families = collect_office_metrics((), SAMPLE_INSTANT)
    return _render_metrics(
        (each.name, "counter" if each.is_counter else "gauge", each.labels, each.documentation) for each in families
    )


def _render_host_metrics() -> str:
    families = collect_host_metrics(FleetOverview(SAMPLE_INSTANT, "", None, (), (), {}))
    return _render_metrics(
        (
            each.name,
            each.type,
            sorted({label for sample in each.samples for label in sample.labels}),
            each.documentation,
        )
        for each in families
    )


def _render_daemon_metrics() -> str:
    made = FleetMetrics(CollectorRegistry(), "0", lambda: SAMPLE_INSTANT)
    families = [each for each in vars(made).values() if isinstance(each, MetricWrapperBase)]
    return _render_metrics((each._name, str(each._type), each._labelnames, each._documentation) for each in families)  # noqa: SLF001 - the library shows it nowhere else


def _render_metrics(families: Iterable[tuple[str, str, Sequence[str], str]]) -> str:
    rows = [
        (f"`{name}{'_total' if kind == 'counter' else ''}`", kind, render_names(labels) or "-", about)
        for name, kind, labels, about in families
    ]
    return render_table(("metric", "type", "labels", "help"), rows)


def _render_events() -> str:
    rows = [(f"`{name}`", level, fields or "-", meaning) for name, level, fields, meaning in list_events()]
    return render_table(("event", "level", "fields", "meaning"), rows)


def _render_tables() -> str:
    return "\n\n".join(
        _render_columns(table) for table in sorted(schema.metadata.tables.values(), key=lambda each: each.name)
    )


def _render_columns(table: Table) -> str:
    rows = [
        (
            f"`{each.name}`",
            each.type.compile(sqlite.dialect()),
            "key" if each.primary_key else "null" if each.nullable else "not null",
        )
        for each in table.columns
    ]
    kinds_of_rules = (UniqueConstraint, CheckConstraint)
    unique = [each for each in table.constraints if isinstance(each, kinds_of_rules)]
    rules = [f"{each.name or 'unique'} ({', '.join(each.columns.keys())})" for each in unique]
    rules += [f"index {each.name} ({', '.join(each.columns.keys())})" for each in table.indexes]
    below = f"\n\n{'; '.join(sorted(rules))}." if rules else ""
    return f"### Table `{table.name}`\n\n{render_table(('column', 'type', ''), rows)}{below}"


def _render_stored_json() -> str:
    rows = [
        *_list_stored("`office.state`", OfficeState),
        *_list_stored("`pull_page.checkpoint`", model.Checkpoint),
        *_list_stored("`backfill_page.progress`", _PageProgress),
        *_list_stored("each of `pull_page.balances` and `backfill_page.balances`", model.Balance),
    ]
    return render_table(("where", "what", "fields"), rows)


def _list_stored(where: str, kind: type) -> Iterator[tuple[str, str, str]]:
    """A row for a value that is stored as JSON, and one for each value in it; tuples are lists there."""
    yield where, "list in this order" if issubclass(kind, tuple) else "object", render_names(_list_fields(kind))
    for name, hint in typing.get_type_hints(kind).items():
        for inner in (hint, *typing.get_args(hint)):
            if isinstance(inner, type) and _list_fields(inner):
                yield from _list_stored(f"{where}, `{name}`", inner)


def _list_fields(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(getattr(kind, "__struct_fields__", getattr(kind, "_fields", ())))


def _render_python_api() -> str:
    return "\n\n".join(f"```python\n{_render_export(name)}\n```" for name in oddaemon.api.__all__)


def _render_export(name: str) -> str:
    found = getattr(oddaemon.api, name)
    if inspect.isfunction(found):
        return f"def {name}{_format_signature(found)}"
    lines = [f"class {name}{'(Exception)' if issubclass(found, Exception) else ''}:"]
    if issubclass(found, Enum):
        lines += [f"    {each.name} = {json.dumps(each.value)}" for each in found]
    elif dataclasses.is_dataclass(found):
        lines += [f"    {each.name}: {_strip_modules(_name_type(each.type))}" for each in dataclasses.fields(found)]
    elif not issubclass(found, Exception):
        methods = [each for each in vars(found).items() if inspect.isfunction(each[1]) and each[0][0] != "_"]
        lines += [f"    def {method}{_format_signature(function)}" for method, function in methods]
    return "\n".join(lines if len(lines) > 1 else [f"{lines[0]} ..."])


def _name_type(hint: Any) -> str:  # noqa: ANN401 - any annotation
    exported = {id(getattr(oddaemon.api, name)): name for name in oddaemon.api.__all__}
    return exported.get(id(hint)) or (hint.__name__ if isinstance(hint, type) else str(hint))


def _format_signature(function: Callable[..., Any]) -> str:
    return _strip_modules(str(inspect.signature(function)))


def _strip_modules(text: str) -> str:
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", text.replace("'", ""))


PARTS: Mapping[str, Callable[[], str]] = {
    "renamed": render_renames,
    "exit_status": _render_exit_status,
    "commands": _render_commands,
    "settings": _render_settings,
    "public_paths": lambda: _render_paths(list_application_routes().public),
    "control_paths": lambda: _render_paths(list_application_routes().control),
    "status_documents": _render_status_documents,
    "fleet_documents": _render_fleet_documents,
    "explain_documents": _render_explain_documents,
    "plan_documents": lambda: _render_documents(
        {"`plan`": config_diff.ConfigDiff, "`changed`": config_diff.ConfigChange}
    ),
    "problem_fields": lambda: render_names(_list_fields(Problem)),
    "estimate_fields": lambda: render_names(_list_fields(LoadEstimate)),
    "group_fields": lambda: render_names(_list_fields(LoadGroup)),
    "examination_fields": lambda: render_names(make_sink_samples().examination),
    "step_fields": lambda: render_names(make_sink_samples().step),
    "row_documents": _render_row_documents,
    "manifest_fields": lambda: render_names(make_sink_samples().manifest),
    "store_fields": lambda: render_names(_list_fields(DatabaseInfo)),
    "values": _render_values,
    "office_metrics": _render_office_metrics,
    "daemon_metrics": _render_daemon_metrics,
    "host_metrics": _render_host_metrics,
    "events": _render_events,
    "application_id": lambda: f"{schema.APPLICATION_ID:#x}",
    "revisions": lambda: render_names(schema.REVISIONS),
    "tables": _render_tables,
    "stored_json": _render_stored_json,
    "python_api": _render_python_api,
    "delivery_manifest_fields": lambda: render_names(make_sink_samples().delivery_manifest),
    "snapshot_head_fields": lambda: render_names(make_sink_samples().snapshot_head),
    "webhook_headers": lambda: render_names(make_sink_samples().webhook_headers),
    "webhook_fields": lambda: render_names(make_sink_samples().webhook),
    "webhook_types": lambda: '`"balances.snapshot"` or `"balances.changes"`',
    "exec_environment": lambda: render_names(make_sink_samples().exec_environment),
    "postgres": lambda: make_sink_samples().postgres,
}


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(render_page(), encoding="utf-8")
    else:
        print(render_page())  # noqa: T201
