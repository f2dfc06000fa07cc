"""Builds the services behind the control socket."""

import anyio.abc

from oddaemon.admin.app import AdminServices
from oddaemon.admin.backfill_commands import BackfillCommands
from oddaemon.admin.background_jobs import BackgroundJobs
from oddaemon.admin.commands import CommandLog
from oddaemon.admin.database_commands import DatabaseCommands
from oddaemon.admin.diagnostics_commands import DiagnosticJobs
from oddaemon.admin.fleet_commands import FleetCommands
from oddaemon.admin.inspection import StatusService
from oddaemon.admin.office_commands import CommandService, ReloadFunction
from oddaemon.admin.sink_commands import SinkCommands
from oddaemon.daemon.services import DaemonContext, Services
from oddaemon.engine.fleet.command_exchange import CommandExchange
from oddaemon.store.database import Database


def make_admin_services(
    context: DaemonContext,
    services: Services,
    database: Database,
    tasks: anyio.abc.TaskGroup,
    reload: ReloadFunction,
    *,
    exchange: CommandExchange | None = None,
) -> AdminServices:
    """The services of one daemon; long commands run in `tasks`, and those for other hosts go through `exchange`."""
    emit, fleet, registry, lifecycle = context.telemetry.emit, context.fleet, services.registry, context.lifecycle

    def drain() -> str:
        lifecycle.drain("command")
        return (
            f"The daemon is stopping: requests in flight end first, within {context.settings.daemon.drain_seconds:g} s."
        )

    log = CommandLog(lambda: "" if lifecycle.is_running else lifecycle.readiness.reason, emit)
    jobs = BackgroundJobs(log, tasks, emit, database.maintenance_lock)
    in_fleet = None if exchange is None else FleetCommands(exchange, registry, fleet)
    diagnostics = DiagnosticJobs(
        log, BackgroundJobs(log, tasks, emit), registry, services.api, lambda: context.settings, in_fleet
    )
    if in_fleet is not None:
        in_fleet.serve(diagnostics.examine)
    return AdminServices(
        commands=CommandService(
            log,
            registry,
            fleet,
            reload,
            context.configuration.preview,
            drain,
            None if in_fleet is None else in_fleet.run_office_command,
        ),
        backfill=BackfillCommands(log, services.backfill, registry, fleet, database),
        diagnostics=diagnostics,
        sinks=SinkCommands(log, services.couriers, database, fleet.now, emit),
        status=StatusService(
            database,
            fleet,
            context.journal,
            lambda: lifecycle.readiness,
            fleet.now(),
            lambda: context.configuration.rejection,
            jobs.list_failures,
        ),
        database=DatabaseCommands(log, jobs, context.configuration, services.backfill, fleet, database, emit),
    )
