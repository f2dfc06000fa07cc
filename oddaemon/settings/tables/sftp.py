"""`[sftp]`: our own receiver of what offices upload; without `listen` there is none."""

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
    """Where offices upload to, and what they may."""

    listen: str = ""
    """Host and port; empty: nothing is received."""
    public_port: int = Field(0, ge=0, le=65_535)
    """The port that offices are told; 0: the one that is listened on."""
    host_key: Annotated[Path, BeforeValidator(to_absolute_path)] | None = None
    """Made once; None: beside the database."""
    directory: Annotated[Path, BeforeValidator(to_absolute_path)] | None = None
    """For files on their way; None: beside the database."""
    bytes_max: int = Field(1_073_741_824, ge=1024, le=1_099_511_627_776)
    wait_seconds: Seconds = 3600.0
    """From the API's answer to a whole file."""
    public_host: str = ""
    """The name or address that offices are told."""

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
            raise invalid("offices must be told where to upload to", 'write public_host = "balances.example.com"')
        return host

    @property
    def is_on(self) -> bool:
        """Whether anything is received."""
        return bool(self.listen)
