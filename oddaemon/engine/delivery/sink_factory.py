"""Creates sinks from their settings."""

import os
from collections.abc import Callable
from datetime import datetime

from oddaemon.http_client.proxy import Proxy
from oddaemon.settings import SinkSettings
from oddaemon.settings.tables.sink import ExecSettings, FilesSettings, PostgresSettings, WebhookSettings
from oddaemon.settings.values.sink_secrets import decode_signing_key
from oddaemon.sinks.exec import Exec
from oddaemon.sinks.files import Files
from oddaemon.sinks.formats.export import FileFormat
from oddaemon.sinks.payload import Sink
from oddaemon.sinks.postgres.sink import Postgres
from oddaemon.sinks.webhook import Webhook, WebhookOptions


def create_sink(settings: SinkSettings, now: Callable[[], datetime]) -> Sink:
    """The sink of these settings; it opens nothing yet.

    Args:
        settings: Validated settings.
        now: The wall clock.
    """
    match settings:
        case FilesSettings():
            file_format, keeps_all = FileFormat(settings.format), settings.content == "changes"
            return Files(settings.directory, file_format, settings.timeout_seconds, keeps_all_snapshots=keeps_all)
        case WebhookSettings():
            options = WebhookOptions(
                url=settings.url.reveal(),
                secret=decode_signing_key(settings.secret),
                rows_max=settings.rows_max,
                timeout_seconds=settings.timeout_seconds,
                compressed=settings.gzip,
                proxy=None if settings.proxy_url is None else Proxy(settings.proxy_url),
            )
            return Webhook(options, now)
        case PostgresSettings():
            return Postgres(settings.dsn.reveal(), settings.schema_name, settings.timeout_seconds)
        case ExecSettings():
            environment = {name: os.environ[name] for name in settings.pass_environment if name in os.environ}
            return Exec(settings.command, FileFormat(settings.format), environment, settings.timeout_seconds)
