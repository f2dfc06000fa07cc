"""Creates sinks from their settings."""

import os
from collections.abc import Callable
from datetime import datetime

from oddaemon.settings import SinkSettings
from oddaemon.settings.tables.sink import ExecTable, FilesTable, PostgresTable, WebhookTable
from oddaemon.settings.values.sink_secrets import decode_signing_key
from oddaemon.sinks.exec import Exec, ExecOptions
from oddaemon.sinks.files import Files, FilesOptions
from oddaemon.sinks.formats.export import FileFormat
from oddaemon.sinks.payload import Sink
from oddaemon.sinks.postgres.sink import Postgres, PostgresOptions
from oddaemon.sinks.webhook import Webhook, WebhookOptions


def create_sink(settings: SinkSettings, now: Callable[[], datetime]) -> Sink:
    """The sink of these settings; it opens nothing yet.

    Args:
        settings: Validated settings.
        now: The wall clock.
    """
    match settings.table:
        case FilesTable() as table:
            keeps_all = table.content == "changes"
            return Files(FilesOptions(table.directory, FileFormat(table.format), table.timeout_seconds, keeps_all))
        case WebhookTable() as table:
            assert settings.secret is not None, "checked settings have it"
            options = WebhookOptions(
                url=table.url.reveal(),
                secret=decode_signing_key(settings.secret),
                rows_max=table.rows_max,
                timeout_seconds=table.timeout_seconds,
                compressed=table.gzip,
            )
            return Webhook(options, now)
        case PostgresTable() as table:
            assert settings.secret is not None, "checked settings have it"
            return Postgres(PostgresOptions(settings.secret.reveal(), table.schema_name, table.timeout_seconds))
        case ExecTable() as table:
            return Exec(
                ExecOptions(
                    command=tuple(table.command),
                    file_format=FileFormat(table.format),
                    environment={name: os.environ[name] for name in table.pass_environment if name in os.environ},
                    timeout_seconds=table.timeout_seconds,
                )
            )
