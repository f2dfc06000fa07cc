"""The control socket's real application over services that a test brings."""

from typing import Any

from starlette.types import ASGIApp

from oddaemon.admin.app import AdminServices, create_admin_app


def make_admin_app(
    *,
    commands: Any = None,
    backfill: Any = None,
    diagnostics: Any = None,
    sinks: Any = None,
    status: Any = None,
    database: Any = None,
    telemetry: Any = None,
    office_metrics: Any = None,
) -> ASGIApp:
    """The application; a service that is left out is never called."""
    services = AdminServices(commands, backfill, diagnostics, sinks, status, database)
    return create_admin_app(services, telemetry, office_metrics)
