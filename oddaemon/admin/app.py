"""What the control socket of a daemon at work offers: who takes which orders there, and who shows what."""

from dataclasses import dataclass

from starlette.types import ASGIApp

from oddaemon.admin.backfill_commands import BackfillCommands, BackfillHandlers, make_backfill_routes
from oddaemon.admin.commands import create_control_app
from oddaemon.admin.database_commands import DatabaseCommands
from oddaemon.admin.database_routes import make_database_routes
from oddaemon.admin.diagnostics_commands import DiagnosisHandlers, DiagnosticJobs, make_diagnosis_routes
from oddaemon.admin.inspection import StatusHandlers, StatusService, make_inspection_routes
from oddaemon.admin.office_commands import CommandService
from oddaemon.admin.sink_commands import SinkCommands, make_sink_routes
from oddaemon.telemetry.metrics.office import OfficeMetricsSource
from oddaemon.telemetry.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class AdminServices:
    """Who answers there."""

    commands: CommandService
    backfill: BackfillCommands
    diagnostics: DiagnosticJobs
    sinks: SinkCommands
    status: StatusService
    database: DatabaseCommands


def create_admin_app(services: AdminServices, telemetry: Telemetry, office_metrics: OfficeMetricsSource) -> ASGIApp:
    """The application that serves the socket.

    Args:
        services: Who answers.
        telemetry: Has the metrics.
        office_metrics: Has those of each office.
    """
    routes = (
        *make_backfill_routes(
            BackfillHandlers(services.backfill.submit, services.backfill.cancel, services.backfill.list_jobs)
        ),
        *make_diagnosis_routes(DiagnosisHandlers(services.diagnostics.start, services.diagnostics.get_status)),
        *make_sink_routes(services.sinks.handlers),
        *make_database_routes(services.database.handlers),
        *make_inspection_routes(
            StatusHandlers(services.status.get_fleet, services.status.get_office), telemetry, office_metrics
        ),
    )
    return create_control_app(services.commands.handlers, routes)
