"""What of the contracts shows only when it is made: routes of the two listeners, and what sinks send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from oddaemon.core.examination import Examination, Outcome, Step, StepName
from oddaemon.core.examination_document import examination_document
from oddaemon.core.model import Balance
from oddaemon.core.verify import totals_of
from oddaemon.engine.control import Desks, control
from oddaemon.sinks.exec import ExecOptions, _told
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS
from oddaemon.sinks.formats.export import Exported, FileFormat, Layout, manifest
from oddaemon.sinks.payload import Payload, SnapshotHead
from oddaemon.sinks.postgres_tables import MIGRATIONS
from oddaemon.sinks.webhook import body_of, signed
from oddaemon.web.app import create_app
from oddaemon.web.pages import Pages

AT = datetime(2026, 3, 8, 7, tzinfo=UTC)
BALANCES = (Balance(11, 0, 100, 100, 0, 0, 0, 0, 100),)
DELIVERY_ID = "sample"


class _Nobody:
    """Stands for whoever would answer: routes are made, never called."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything at all
        return self


NOBODY: Any = _Nobody()


@dataclass(frozen=True, slots=True)
class Routes:
    """Of the two listeners."""

    public: Sequence[Route]
    control: Sequence[Route]


def application_routes() -> Routes:
    """The routes of both, as the daemon makes them."""
    pages = Pages(NOBODY, lambda text: text, lambda: AT)
    public = create_app(telemetry=NOBODY, fleet=NOBODY, readiness=NOBODY, status=NOBODY, pages=pages)
    return Routes(_routes(public), _routes(control(Desks(*[NOBODY] * 6), NOBODY, NOBODY)))


def _routes(app: object) -> list[Route]:
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


def sink_samples() -> SinkSamples:
    """One delivery, as each sink sends it; one examination."""
    head = SnapshotHead(7, date(2026, 3, 8), AT, AT, totals_of(BALANCES))
    payload = Payload("elm", "Elm", head, BALANCES)
    layout = Layout(FileFormat.CSV, BALANCE_COLUMNS)
    exported = Exported(Path("balances.csv"), 1, "0", 1, {})
    examined = examination_document(
        Examination("elm", "Elm", AT, "daemon", (Step(StepName.API, Outcome.OK, "It answers."),))
    )
    body = body_of(payload, DELIVERY_ID, payload.rows(), 1, 1)
    options = ExecOptions(("/bin/true",), FileFormat.CSV, {}, 1.0)
    return SinkSamples(
        examination=list(examined),
        step=list(examined["steps"][0]),
        manifest=_names_in(manifest(exported, layout, {})),
        delivery_manifest=_names_in(manifest(exported, layout, payload.about(DELIVERY_ID))),
        snapshot_head=list(head.told()),
        webhook_headers=list(signed(b"secret", DELIVERY_ID, AT, body)),
        webhook=_names_in(body),
        exec_environment=list(_told(payload, DELIVERY_ID, options)),
        postgres="\n".join(_plain(each) for each in MIGRATIONS),
    )


def _names_in(text: bytes) -> list[str]:
    return list(cast("dict[str, object]", msgspec.json.decode(text)))


def _plain(migration: str) -> str:
    lines = migration.replace("{schema}", "oddaemon").strip("\n").splitlines()
    return "\n".join(line.removeprefix("    ").rstrip() for line in lines).strip()
