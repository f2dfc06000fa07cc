"""A parser of the HTTP/1.1 that well-behaved clients send, several times faster than a full parser.

Bodies need a Content-Length; a chunked body is refused. Bytes that the parser cannot read are the client's fault and
end the connection.
"""

from urllib.parse import parse_qsl, unquote

from oddaemon.simulator.api.messages import ApiRequest

HEAD_BYTES_MAX = 65_536
BODY_BYTES_MAX = 33_554_432
"""Twice the 16.8 M characters that the API accepts."""


class BadRequestError(Exception):
    """This parser cannot read the bytes; the message says why."""


class RequestParser:
    """Turns bytes into requests and buffers incomplete ones.

    Args:
        remote: the name of the connection, given to each request.
    """

    def __init__(self, remote: str) -> None:
        self._remote = remote
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[ApiRequest]:
        """The requests that these bytes complete.

        Raises:
            BadRequestError: The buffered bytes cannot become a valid request.
        """
        self._buffer += data
        requests = []
        while (request := self._take_request()) is not None:
            requests.append(request)
        return requests

    def _take_request(self) -> ApiRequest | None:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise BadRequestError("The head of the request is too long.")
            return None
        request_line, *header_lines = self._buffer[:head_end].decode("latin-1").split("\r\n")
        headers = dict(_parse_header(line) for line in header_lines)
        body_start, body_bytes = head_end + 4, _parse_content_length(headers)
        if len(self._buffer) < body_start + body_bytes:
            return None
        body = bytes(self._buffer[body_start : body_start + body_bytes])
        del self._buffer[: body_start + body_bytes]
        return _make_request(request_line, headers, body, self._remote)


def _make_request(request_line: str, headers: dict[str, str], body: bytes, remote: str) -> ApiRequest:
    match request_line.split(" "):
        case [method, target, "HTTP/1.1"]:
            pass
        case [method, target, "HTTP/1.0"]:
            headers.setdefault("connection", "close")
        case _:
            raise BadRequestError("The first line is no HTTP/1.1 request line.")
    path, _, query = target.partition("?")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return ApiRequest(method, unquote(path), pairs, headers, body, remote)


def _parse_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or name != name.strip():
        raise BadRequestError("A header line has no name.")
    return name.lower(), value.strip()


def _parse_content_length(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError("A chunked body is not read here; send a Content-Length.")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()) or int(text) > BODY_BYTES_MAX:
        raise BadRequestError("Content-Length is no acceptable number of bytes.")
    return int(text)
