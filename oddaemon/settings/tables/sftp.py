"""`[sftp]`: the receiver of files that offices upload; there is none without `listen`."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from oddaemon.settings.tables.base import Seconds, Table
from oddaemon.settings.values.invalid import invalid
from oddaemon.settings.values.path import to_absolute_path
from oddaemon.settings.values.url import normalize_host, split_listen

HOST_KEY_FILE = "sftp-host-key"
UPLOAD_DIRECTORY = "uploads"


class SftpSettings(Table):
    """Where offices upload to, and the limits."""

    listen: str = ""
    """Host and port; empty: no receiver."""
    public_port: int = Field(0, ge=0, le=65_535)
    """The port that offices connect to; 0: the port of `listen`."""
    host_key: Annotated[Path, BeforeValidator(to_absolute_path)] | None = None
    """Created once; None: beside the database."""
    directory: Annotated[Path, BeforeValidator(to_absolute_path)] | None = None
    """For files during the upload; None: beside the database."""
    bytes_max: int = Field(1_073_741_824, ge=1024, le=1_099_511_627_776)
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
