"""Parts of the contracts that exist only at run time: routes of the two listeners, and what sinks send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from oddaemon.admin.app import AdminServices, create_admin_app
from oddaemon.core.diagnostics.diagnosis import CheckName, CheckOutcome, CheckResult, Diagnosis, make_diagnosis_document
from oddaemon.core.model import Balance, PublishedSnapshot, Reader
from oddaemon.core.snapshot.payload import Payload
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.sinks.exec import _build_environment
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS
from oddaemon.sinks.formats.export import ExportResult, FileFormat, Layout, render_manifest
from oddaemon.sinks.payload import build_metadata, build_rows
from oddaemon.sinks.postgres.schema import MIGRATIONS
from oddaemon.sinks.webhook import make_signature_headers, render_body
from oddaemon.web.app import create_app
from oddaemon.web.pages.routes import Pages

AT = datetime(2026, 3, 8, 7, tzinfo=UTC)
BALANCES = (Balance(11, 0, 100, 100, 0, 0, 0, 0, 100),)
DELIVERY_ID = "sample"


class _Unused:
    """Stands for the services: routes are made, never called."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything at all
        return self


UNUSED: Any = _Unused()


@dataclass(frozen=True, slots=True)
class Routes:
    """Of the two listeners."""

    public: Sequence[Route]
    control: Sequence[Route]


def list_application_routes() -> Routes:
    """The routes of both, as the daemon makes them."""
    pages = Pages(UNUSED, lambda text: text, lambda: AT)
    public = create_app(telemetry=UNUSED, office_metrics=UNUSED, readiness=UNUSED, status=UNUSED, pages=pages)
    return Routes(_list_routes(public), _list_routes(create_admin_app(AdminServices(*[UNUSED] * 6), UNUSED, UNUSED)))


def _list_routes(app: object) -> list[Route]:
    while not isinstance(app, Starlette):
        (app,) = (each for each in vars(app).values() if callable(each))
    return [each for each in app.routes if isinstance(each, Route)]


@dataclass(frozen=True, slots=True)
class SinkSamples:
    """Names of what is sent."""

    examination: Sequence[str]
    step: Sequence[str]
    manifest: Sequence[str]
    delivery_manifest: Sequence[str]
    snapshot_head: Sequence[str]
    webhook_headers: Sequence[str]
    webhook: Sequence[str]
    exec_environment: Sequence[str]
    postgres: str


def make_sink_samples() -> SinkSamples:
    """One delivery, as each sink sends it; one examination."""
    totals = compute_totals(BALANCES)
    head = PublishedSnapshot(7, "elm", date(2026, 3, 8), AT, AT, Reader.STATEMENT, 1, totals, len(BALANCES), 0, 0)
    payload = Payload("Elm", head, BALANCES)
    layout = Layout(FileFormat.CSV, BALANCE_COLUMNS)
    exported = ExportResult(Path("balances.csv"), 1, "0", 1, {})
    examined = make_diagnosis_document(
        Diagnosis("elm", "Elm", AT, "daemon", {CheckName.API: CheckResult(CheckOutcome.OK, "It answers.")})
    )
    body = render_body(payload, DELIVERY_ID, build_rows(payload), 1, 1)
    return SinkSamples(
        examination=list(examined),
        step=list(examined["steps"][0]),
        manifest=_list_names(render_manifest(exported, layout, {})),
        delivery_manifest=_list_names(render_manifest(exported, layout, build_metadata(payload, DELIVERY_ID))),
        snapshot_head=list(cast("dict[str, object]", build_metadata(payload, DELIVERY_ID)["snapshot"])),
        webhook_headers=list(make_signature_headers(b"secret", DELIVERY_ID, AT, body)),
        webhook=_list_names(body),
        exec_environment=list(_build_environment(payload, DELIVERY_ID, FileFormat.CSV)),
        postgres="\n".join(_format_migration(each) for each in MIGRATIONS),
    )


def _list_names(text: bytes) -> list[str]:
    return list(cast("dict[str, object]", msgspec.json.decode(text)))


def _format_migration(migration: str) -> str:
    lines = migration.replace("{schema}", "oddaemon").strip("\n").splitlines()
    return "\n".join(line.removeprefix("    ").rstrip() for line in lines).strip()
