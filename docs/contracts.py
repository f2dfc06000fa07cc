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
from starlette.routing import Route
from typer.core import TyperArgument, TyperGroup

import oddaemon.api
from docs.contract_renames import RENAMED
from docs.contract_samples import application_routes, sink_samples
from docs.contract_words import SAMPLE_INSTANT, bounds_of, described, event_rows, names_of, table_of
from oddaemon.admin import inspection, office_details
from oddaemon.cli.app import app
from oddaemon.cli.commands.balances import FLEET_COLUMNS
from oddaemon.cli.commands.check import LoadEstimate, LoadGroup
from oddaemon.cli.commands.history import COLUMNS as HISTORY_COLUMNS
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.core import config_diff, delivery, model
from oddaemon.core.backfill import job
from oddaemon.core.diagnostics import diagnosis
from oddaemon.core.failures import failure
from oddaemon.core.office import aging
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting import status_document
from oddaemon.settings.files.problem import Problem
from oddaemon.settings.files.secret_sources import get_source_names
from oddaemon.settings.load import _SECTION_SECRETS, _SECTIONS
from oddaemon.settings.tables.office import OfficeTable
from oddaemon.settings.tables.sink import SINK_TABLES
from oddaemon.settings.tables.sinks import _SECRETS as _SINK_SECRETS
from oddaemon.sinks.formats import BALANCE_COLUMNS, CHANGE_COLUMNS, ExportColumn
from oddaemon.store import schema
from oddaemon.store.backfill_jobs import _PageProgress
from oddaemon.store.history.day import DaySource
from oddaemon.store.sqlite.maintenance.info import DatabaseInfo
from oddaemon.telemetry.metrics.fleet import FleetMetrics
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
    "source of a document": inspection.DataSource,
}


def page() -> str:
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
    return table_of(("kind of name", "old", "new"), rows)


def _exit_status() -> str:
    return table_of(("exit status", "means"), [(str(each.value), EXIT_STATUS[each]) for each in ExitStatus])


def _commands() -> str:
    return table_of(("command", "arguments and options"), _command_rows(typer.main.get_command(app), "oddaemon"))


def _command_rows(command: Any, name: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - Typer's own copy of click
    if isinstance(command, TyperGroup):
        for word, each in command.commands.items():
            yield from _command_rows(each, f"{name} {word}")
        return
    yield f"`{name}`", " ".join(_parameter(each) for each in command.params) or "-"


def _parameter(each: Any) -> str:  # noqa: ANN401 - Typer's own copy of click
    hint = each.type_descriptor.annotation
    inner = typing.get_args(hint)[0] if typing.get_origin(hint) is list else hint
    value = each.metavar or described(inner).replace(" | ", "|")
    if isinstance(each, TyperArgument):
        words = each.metavar or str(each.name).upper()
    else:
        words = ", ".join(each.opts) + ("" if each.is_flag else f" {value}")
    many = "…" if each.multiple or each.nargs == -1 else ""
    return f"`{words}{many}`" if each.required else f"`[{words}{many}]`"


def _settings() -> str:
    tables: list[tuple[str, type[BaseModel], str]] = [
        (f"[{name}]", table, _SECTION_SECRETS.get(table, "")) for name, table in _SECTIONS.items()
    ]
    tables.append(("[[office]]", OfficeTable, "customer_key"))
    tables += [
        (f'[[sink]] with `kind = "{kind}"`', table, _SINK_SECRETS[kind][0] if kind in _SINK_SECRETS else "")
        for kind, table in SINK_TABLES.items()
    ]
    return "\n\n".join(f"### {head}\n\n{_setting_rows(table, secret)}" for head, table, secret in tables)


def _setting_rows(table: type[BaseModel], secret: str) -> str:
    rows = []
    if secret:
        rows.append(
            (" / ".join(f"`{source}`" for source in get_source_names(secret)), "secret", _default_of(table, secret))
        )
    for name, field in table.model_fields.items():
        if name != secret:
            bounds = "".join(bounds_of(each) for each in field.metadata)
            rows.append((f"`{name}`", described(field.annotation) + bounds, _default_of(table, name)))
    return table_of(("key", "type", "default"), rows)


def _default_of(table: type[BaseModel], name: str) -> str:
    field = table.model_fields.get(name)
    if field is None or (field.default is PydanticUndefined and field.default_factory is None):
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else f"`{json.dumps(value, default=str)}`"


def _paths(routes: Iterable[Route]) -> str:
    rows = [(each.path, method) for each in routes for method in sorted((each.methods or set()) - {"HEAD"})]
    return table_of(("path", "method"), [(f"`{path.replace(':path', '')}`", method) for path, method in rows])


def _typed(documents: Mapping[str, type]) -> str:
    rows = []
    for place, document in documents.items():
        names = document.__annotations__ if place.startswith("+") else typing.get_type_hints(document)
        hints = typing.get_type_hints(document)
        rows += [(place.removeprefix("+"), f"`{name}`", described(hints[name])) for name in names]
    text = table_of(("of", "field", "type"), rows)
    for name, reference in _PLACES.items():
        text = text.replace(name, reference)
    return text


_PLACES = {
    "OfficeDocument": "object, see `offices`",
    "SummaryDocument": "object, see `summary`",
    "DaemonDocument": "object, see `daemon`",
    "SnapshotDocument": "object, see `snapshot`",
    "KeyRotationDocument": "object, see `key_trial`",
    "PreferencesDocument": "object, see `preferences`",
    "PackingDocument": "object, see `packing`",
    "PullDocument": "object, see `last_pull`",
    "EntryDocument": "object, see `journal`",
    "ConfigChangeDocument": "object, see `changed`",
}


def _status_documents() -> str:
    return _typed(
        {
            "the document": inspection.FleetDocument,
            "`offices`": status_document.OfficeDocument,
            "`snapshot` of an office": status_document.SnapshotDocument,
            "`key_trial` of an office": status_document.KeyRotationDocument,
            "`summary`": status_document.SummaryDocument,
            "`daemon`": inspection.DaemonDocument,
        }
    )


def _explain_documents() -> str:
    inherited = status_document.OfficeDocument.__annotations__
    own = {
        name: each
        for name, each in typing.get_type_hints(office_details.OfficeDetails).items()
        if name not in inherited
    }
    return _typed(
        {
            "the document": typing.TypedDict("Own", own),  # type: ignore[operator]  # made at run time
            "`preferences`": office_details.PreferencesDocument,
            "`packing`": office_details.PackingDocument,
            "`last_pull`": office_details.PullDocument,
            "`journal`": office_details.EntryDocument,
        }
    )


def _row_documents() -> str:
    def columns(of: Sequence[ExportColumn]) -> str:
        return ", ".join(f"`{each.name}` {each.kind.name.lower()}" for each in of)

    rows = (
        ("balances", "`office`, `snapshot`", "`balances`", columns(BALANCE_COLUMNS)),
        ("balances --fleet", "`as_of`, `without_snapshot`", "`totals`", columns(FLEET_COLUMNS)),
        ("changes", "`office`, `from`, `to`", "`changes`", columns(CHANGE_COLUMNS)),
        ("history", "`office`", "`nights`", columns(HISTORY_COLUMNS)),
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _values() -> str:
    return table_of(
        ("what", "values"), [(what, names_of(str(each.value) for each in kind)) for what, kind in VALUES.items()]
    )


def _office_metrics() -> str:
    families = collect_office_metrics((), SAMPLE_INSTANT)
    return _metrics((each.name, each.type, each._labelnames, each.documentation) for each in families)  # type: ignore[attr-defined]  # noqa: SLF001 - the library shows it nowhere else


def _daemon_metrics() -> str:
    made = FleetMetrics(CollectorRegistry(), "0", lambda: SAMPLE_INSTANT)
    families = [each for each in vars(made).values() if isinstance(each, MetricWrapperBase)]
    return _metrics((each._name, str(each._type), each._labelnames, each._documentation) for each in families)  # noqa: SLF001 - the library shows it nowhere else


def _metrics(families: Iterable[tuple[str, str, Sequence[str], str]]) -> str:
    rows = [
        (f"`{name}{'_total' if kind == 'counter' else ''}`", kind, names_of(labels) or "-", about)
        for name, kind, labels, about in families
    ]
    return table_of(("metric", "type", "labels", "help"), rows)


def _events() -> str:
    rows = [(f"`{name}`", level, fields or "-", meaning) for name, level, fields, meaning in event_rows()]
    return table_of(("event", "level", "fields", "meaning"), rows)


def _tables() -> str:
    return "\n\n".join(_columns(table) for table in sorted(schema.metadata.tables.values(), key=lambda each: each.name))


def _columns(table: Table) -> str:
    rows = [
        (f"`{each.name}`", str(each.type), "key" if each.primary_key else "null" if each.nullable else "not null")
        for each in table.columns
    ]
    kinds_of_rules = (UniqueConstraint, CheckConstraint)
    unique = [each for each in table.constraints if isinstance(each, kinds_of_rules)]
    rules = [f"{each.name or 'unique'} ({', '.join(each.columns.keys())})" for each in unique]
    rules += [f"index {each.name} ({', '.join(each.columns.keys())})" for each in table.indexes]
    below = f"\n\n{'; '.join(sorted(rules))}." if rules else ""
    return f"### Table `{table.name}`\n\n{table_of(('column', 'type', ''), rows)}{below}"


def _stored_json() -> str:
    rows = [
        *_stored("`office.state`", OfficeState),
        *_stored("`pull_page.checkpoint`", model.Checkpoint),
        *_stored("`backfill_page.progress`", _PageProgress),
        *_stored("each of `pull_page.balances` and `backfill_page.balances`", model.Balance),
    ]
    return table_of(("where", "what", "fields"), rows)


def _stored(where: str, kind: type) -> Iterator[tuple[str, str, str]]:
    """A row for a value that is stored as JSON, and one for each value in it; tuples are lists there."""
    yield where, "list in this order" if issubclass(kind, tuple) else "object", names_of(_fields_of(kind))
    for name, hint in typing.get_type_hints(kind).items():
        for inner in (hint, *typing.get_args(hint)):
            if isinstance(inner, type) and _fields_of(inner):
                yield from _stored(f"{where}, `{name}`", inner)


def _fields_of(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(getattr(kind, "__struct_fields__", getattr(kind, "_fields", ())))


def _python_api() -> str:
    return "\n\n".join(f"```python\n{_exported(name)}\n```" for name in oddaemon.api.__all__)


def _exported(name: str) -> str:
    found = getattr(oddaemon.api, name)
    if inspect.isfunction(found):
        return f"def {name}{_signature(found)}"
    lines = [f"class {name}{'(Exception)' if issubclass(found, Exception) else ''}:"]
    if issubclass(found, Enum):
        lines += [f"    {each.name} = {json.dumps(each.value)}" for each in found]
    elif dataclasses.is_dataclass(found):
        lines += [f"    {each.name}: {_unqualified(_named(each.type))}" for each in dataclasses.fields(found)]
    elif not issubclass(found, Exception):
        methods = [each for each in vars(found).items() if inspect.isfunction(each[1]) and each[0][0] != "_"]
        lines += [f"    def {method}{_signature(function)}" for method, function in methods]
    return "\n".join(lines if len(lines) > 1 else [f"{lines[0]} ..."])


def _named(hint: Any) -> str:  # noqa: ANN401 - any annotation
    exported = {id(getattr(oddaemon.api, name)): name for name in oddaemon.api.__all__}
    return exported.get(id(hint)) or (hint.__name__ if isinstance(hint, type) else str(hint))


def _signature(function: Callable[..., Any]) -> str:
    return _unqualified(str(inspect.signature(function)))


def _unqualified(text: str) -> str:
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", text.replace("'", ""))


PARTS: Mapping[str, Callable[[], str]] = {
    "renamed": render_renames,
    "exit_status": _exit_status,
    "commands": _commands,
    "settings": _settings,
    "public_paths": lambda: _paths(application_routes().public),
    "control_paths": lambda: _paths(application_routes().control),
    "status_documents": _status_documents,
    "explain_documents": _explain_documents,
    "plan_documents": lambda: _typed(
        {"`plan`": config_diff.ConfigDiffDocument, "`changed`": config_diff.ConfigChangeDocument}
    ),
    "problem_fields": lambda: names_of(_fields_of(Problem)),
    "estimate_fields": lambda: names_of(_fields_of(LoadEstimate)),
    "group_fields": lambda: names_of(_fields_of(LoadGroup)),
    "examination_fields": lambda: names_of(sink_samples().examination),
    "step_fields": lambda: names_of(sink_samples().step),
    "row_documents": _row_documents,
    "manifest_fields": lambda: names_of(sink_samples().manifest),
    "store_fields": lambda: names_of(_fields_of(DatabaseInfo)),
    "values": _values,
    "office_metrics": _office_metrics,
    "daemon_metrics": _daemon_metrics,
    "events": _events,
    "application_id": lambda: f"{schema.APPLICATION_ID:#x}",
    "revisions": lambda: names_of(schema.REVISIONS),
    "tables": _tables,
    "stored_json": _stored_json,
    "python_api": _python_api,
    "delivery_manifest_fields": lambda: names_of(sink_samples().delivery_manifest),
    "snapshot_head_fields": lambda: names_of(sink_samples().snapshot_head),
    "webhook_headers": lambda: names_of(sink_samples().webhook_headers),
    "webhook_fields": lambda: names_of(sink_samples().webhook),
    "webhook_types": lambda: '`"balances.snapshot"` or `"balances.changes"`',
    "exec_environment": lambda: names_of(sink_samples().exec_environment),
    "postgres": lambda: sink_samples().postgres,
}


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())  # noqa: T201
