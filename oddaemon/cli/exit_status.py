"""What the process tells its caller: a contract, other programs branch on it."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses, all of them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_ALL_FRESH = 3
    BAD_CONFIGURATION = 78
    """`EX_CONFIG` of sysexits.h; systemd is told not to start again after it."""
