"""`POST /queries`: the office runs a query and uploads the result as a CSV file to an SFTP server.

The file has the faults seen in the field: no value is quoted, even if it contains commas, and the file of an empty
result contains `OK`.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncssh

from oddaemon.simulator.api import responses
from oddaemon.simulator.headquarters.endpoints import RequestRefused

NO_ROWS = b"OK"
PORT = 22


@dataclass(frozen=True)
class UploadRequest:
    """The upload request for an office: the query and the destination."""

    sql: str
    host: str
    path: str
    port: int
    username: str
    password: str = field(repr=False)
    is_async: bool = False


Uploader = Callable[[UploadRequest, bytes], Awaitable[None]]
"""Uploads a file to its destination and does not report errors."""


def parse_upload_request(body: bytes) -> UploadRequest:
    """Read the upload request from a request's body.

    Raises:
        RequestRefused: The body contains none.
    """
    try:
        fields = json.loads(body)
        host, _, path = fields["SftpAddress"].partition("/")
        return UploadRequest(
            sql=fields["SqlCommand"],
            host=host,
            path=f"/{path}",
            port=int(fields.get("SftpPort", PORT)),
            username=fields["SftpUsername"],
            password=fields["SftpPassword"],
            is_async=fields.get("IsAsync") == "true",
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestRefused(responses.UPLOAD_MALFORMED) from error


def render_csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Make the CSV file of a result."""
    if not rows:
        return NO_ROWS
    lines = [",".join(rows[0]), *(",".join(map(_render_cell, row.values())) for row in rows)]
    return ("\r\n".join(lines) + "\r\n").encode()


async def upload_over_sftp(request: UploadRequest, content: bytes) -> None:
    """Upload over a real connection and accept any host key; an office does not report why an upload failed."""
    try:
        async with (
            asyncssh.connect(
                request.host, request.port, username=request.username, password=request.password, known_hosts=None
            ) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(request.path, "wb") as file,
        ):
            await file.write(content)
    except (OSError, asyncssh.Error):
        return


def _render_cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.15g}"
        case _:
            return str(value)
