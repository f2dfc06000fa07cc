"""The two ways in which an office rejects a statement."""


class QueryRefused(Exception):
    """The office's query filter rejects the statement (HTTP 401)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SqlFailed(Exception):
    """The office's database answered with an error (HTTP 400)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
