"""The tables of `oddaemon.toml` that concern the whole daemon, with their defaults and bounds."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, create_model, field_validator

from oddaemon.core.backoff import Backoff
from oddaemon.core.diagnostics.diagnosis import is_sql_safe_name
from oddaemon.core.model import Cadence, Plausibility
from oddaemon.core.secret import Secret
from oddaemon.settings.files.secret_sources import check_key
from oddaemon.settings.tables.base import AbsolutePath, BaseUrl, Seconds, SecondsOrZero, Table
from oddaemon.settings.values.cron import normalize_cron
from oddaemon.settings.values.invalid import invalid
from oddaemon.settings.values.url import (
    HEADQUARTERS,
    normalize_host,
    require_https_behind_proxy,
    split_listen,
    validate_ping_url,
    validate_proxy_url,
)

SOCKET_PATH_BYTES_MAX = 107
"""`sun_path` of Linux, less its final zero."""

HOST_KEY_FILE = "sftp-host-key"
UPLOAD_DIRECTORY = "uploads"

Cron = Annotated[str, AfterValidator(normalize_cron)]


RELOADED = "reloaded"
"""Marks a field of `[api]` that a reload activates; the others take effect at the next start."""


class ApiSettings(Table):
    """`[api]`: the Open Dental API, and how many requests it gets."""

    secrets: ClassVar = {"developer_key": check_key, "proxy_url": validate_proxy_url}

    developer_key: Annotated[Secret, RELOADED]
    developer_name: Annotated[str, RELOADED] = ""
    """The name under which an office lists our keys; empty: the doctor skips that check."""
    base_url: Annotated[BaseUrl, RELOADED] = HEADQUARTERS
    proxy_url: Secret | None = None
    """Of the proxy to headquarters; it may contain credentials. None: direct. Offices on own networks never use it."""
    max_in_flight: int = Field(64, ge=1, le=4096)
    """Requests under way at one instant, over all offices."""
    max_requests_per_second: float = Field(20.0, gt=0, le=10_000, allow_inf_nan=False)
    """Over all offices: Open Dental suspends networks that send too much traffic."""
    request_timeout_seconds: Seconds = 75.0
    connect_timeout_seconds: Seconds = 10.0
    key_change_seconds: SecondsOrZero = 900.0
    """How long the previous key is still tried after a key was changed: Open Dental takes up to 15 minutes."""
    max_response_bytes: int = Field(67_108_864, ge=65_536, le=1_073_741_824)
    max_guarantors: int = Field(1_000_000, ge=1, le=100_000_000)
    """Of one office: what an office claims to have is read into memory."""

    @field_validator("proxy_url")
    @classmethod
    def _validate_proxy(cls, proxy: Secret | None, info: ValidationInfo) -> Secret | None:
        if proxy is not None and "base_url" in info.data:
            require_https_behind_proxy(info.data["base_url"], "base_url")
        return proxy

    @field_validator("developer_name")
    @classmethod
    def _validate_developer_name(cls, name: str) -> str:
        if not is_sql_safe_name(name):
            raise invalid(
                "contains a character that a query cannot hold", "use letters, digits, spaces and . , & ( ) _ + '"
            )
        return name


class HttpSettings(Table):
    """`[http]`: metrics, health and the status page; and the control socket."""

    listen: str = "127.0.0.1:9464"
    allowed_hosts: list[Annotated[str, AfterValidator(normalize_host)]] = Field(default_factory=list, max_length=100)
    """Further names of this machine, normalized."""
    control_socket: AbsolutePath | None = None
    """Not set: beside the database, or beside `oddaemon.toml` if that is on a server. None after reading: that path is
    too long for a socket."""

    @property
    def host(self) -> str:
        """Host name or address, without brackets."""
        return split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        """0: the system chooses one."""
        return split_listen(self.listen)[1]

    @field_validator("listen")
    @classmethod
    def _validate_listen(cls, listen: str) -> str:
        split_listen(listen)
        return listen

    @field_validator("control_socket")
    @classmethod
    def _validate_control_socket(cls, path: Path | None) -> Path | None:
        if path is not None and not fits_unix_socket(path):
            raise invalid(
                f"the absolute path of a socket has at most {SOCKET_PATH_BYTES_MAX} bytes", "choose a shorter path"
            )
        return path


def fits_unix_socket(path: Path) -> bool:
    """Whether the path is short enough to be a Unix socket's."""
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX


class OfficesDirectory(Table):
    """`[offices]`: where the offices' own files are."""

    directory: AbsolutePath | None = None


class DaemonSettings(Table):
    """`[daemon]`: how the process stops, and how often one office's worker may crash."""

    drain_seconds: SecondsOrZero = 70.0
    """For requests in flight when the daemon stops; longer than the API's own limit of 60 s."""
    restarts_max: int = Field(5, ge=0, le=1000)
    restarts_within_seconds: Seconds = 600.0
    watch: bool = True
    """Whether a changed file triggers a reload."""
    debounce_seconds: Seconds = 1.0
    """How long the files must stay unchanged before they are read."""


class LogSettings(Table):
    """`[log]`: what is written to standard output."""

    format: Literal["auto", "json", "console"] = "auto"
    """`auto`: pretty on a terminal, JSON otherwise."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class MaintenanceSettings(Table):
    """`[maintenance]`: when the database is maintained, as cron expressions in the machine's zone; empty: never."""

    prune: Cron = "0 3 * * *"
    """Delete what is older than `[state] retain_days`."""
    incremental_vacuum: Cron = "10 3 * * *"
    wal_checkpoint: Cron = "15 3 * * *"
    backup: Cron = "30 3 * * *"
    """There are no backups without a directory."""
    backup_directory: AbsolutePath | None = None
    backup_keep: int = Field(7, ge=1, le=10_000)
    """How many backups to keep."""
    integrity_check: Cron = "45 4 * * 0"
    digest: Cron = "30 7 * * *"
    """One event that summarizes the fleet."""

    @classmethod
    def make_disabled(cls) -> Self:
        """No job at all."""
        return cls.model_validate(dict.fromkeys(MAINTENANCE_JOBS, ""))


MAINTENANCE_JOBS = tuple(
    name for name, field in MaintenanceSettings.model_fields.items() if field.metadata and field.annotation is str
)
"""The keys of `[maintenance]` that are cron expressions."""


class AlertSettings(Table):
    """`[alerts]`: the checks of deadlines, and the heartbeat ping after each night."""

    secrets: ClassVar = {"ping_url": validate_ping_url, "proxy_url": validate_proxy_url}

    look_seconds: Seconds = 60.0
    """Between two checks of whether an office's `fresh_by` has passed."""
    ping_url: Secret | None = None
    """Requested after each night. It is a secret: a client that knows it can report success. None: no ping."""
    proxy_url: Secret | None = None
    """Of the proxy to the receiver of the ping; None: direct."""
    ping_on_miss: Literal["fail", "silence"] = "fail"
    """After a missed night: request the URL with `/fail` appended, as healthchecks.io defines it, or no request."""
    ping_timeout_seconds: Seconds = 10.0
    """For one attempt, from the first to the last byte."""
    ping_attempts: int = Field(5, ge=1, le=100)
    ping_pause_seconds: Seconds = 5.0
    """After the first attempt; doubles with each further one."""

    @field_validator("proxy_url")
    @classmethod
    def _validate_proxy(cls, proxy: Secret | None, info: ValidationInfo) -> Secret | None:
        ping_url: Secret | None = info.data.get("ping_url")
        if proxy is not None and ping_url is not None:
            require_https_behind_proxy(ping_url.reveal(), "ping_url")
        return proxy


class SftpSettings(Table):
    """`[sftp]`: the receiver of files that offices upload; there is none without `listen`."""

    listen: str = ""
    """Host and port; empty: no receiver."""
    public_port: int = Field(0, ge=0, le=65_535)
    """The port that offices connect to; 0: the port of `listen`."""
    host_key: AbsolutePath | None = None
    """Created once; None: beside the database, or beside `oddaemon.toml` if that is on a server."""
    directory: AbsolutePath | None = None
    """For files during the upload; None: as for `host_key`."""
    bytes_max: int = Field(67_108_864, ge=1024, le=1_099_511_627_776)
    wait_seconds: Seconds = 3600.0
    """From the API's response to the complete file."""
    public_host: str = ""
    """The name or address that offices connect to."""

    @field_validator("listen")
    @classmethod
    def _validate_listen(cls, listen: str) -> str:
        if listen:
            split_listen(listen)
        return listen

    @field_validator("public_host")
    @classmethod
    def _validate_public_host(cls, host: str, info: ValidationInfo) -> str:
        if host:
            return normalize_host(host)
        if info.data.get("listen"):
            raise invalid("is required with `listen`", 'set public_host = "balances.example.com"')
        return host

    @property
    def is_on(self) -> bool:
        """Whether there is a receiver."""
        return bool(self.listen)


class BackoffSettings(Table):
    """A wait that grows from a base to a maximum."""

    @field_validator("backoff_max_seconds", check_fields=False)
    @classmethod
    def _validate_backoff_max(cls, maximum: float, info: ValidationInfo) -> float:
        base = info.data.get("backoff_base_seconds")
        if base is not None and maximum < base:
            raise invalid(f"must be at least backoff_base_seconds = {base}")
        return maximum


CadenceTable = create_model(
    "CadenceTable",
    __base__=BackoffSettings,
    __doc__="`[cadence]`: exactly the fields of the core's `Cadence`, so that the two cannot drift apart.",
    **{field.name: (Seconds, field.default) for field in sorted(fields(Cadence), key=fields(Backoff).__contains__)},  # type: ignore[call-overload]  # names known at run time
)


_PLAUSIBILITY_BOUNDS = {
    "max_change": Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)],
    "guarantors_min": Annotated[int, Field(ge=0, le=1_000_000)],
    "hold_seconds": Seconds,
}
"""The bounds of each field; a field of the core without bounds is an error at import."""

PlausibilityTable = create_model(
    "PlausibilityTable",
    __base__=Table,
    __doc__="`[plausibility]`: exactly the fields of the core's `Plausibility`.",
    **{field.name: (_PLAUSIBILITY_BOUNDS[field.name], field.default) for field in fields(Plausibility)},  # type: ignore[call-overload]  # names known at run time
)
