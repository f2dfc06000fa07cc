"""The two ways an office says no to a statement."""


class QueryRefused(Exception):
    """The office's screen does not let the statement through (HTTP 401)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SqlFailed(Exception):
    """The office's database answered with an error (HTTP 400)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
