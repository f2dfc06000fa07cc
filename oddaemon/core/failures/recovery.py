"""What a failure means for the next attempt, and how loud it is."""

from enum import StrEnum


class Recovery(StrEnum):
    """What a failure means for the next attempt."""

    RETRY = "retry"
    """Try again with exponential back-off: it passes by itself."""
    WAIT = "wait"
    """Wait for as long as the server says."""
    BLOCK = "block"
    """A human must act; probe slowly until then."""
    CONFIRM = "confirm"
    """Either the key or only the query is refused: a GET shows which."""
    SWITCH_READER = "other_reader"
    """This reader does not work for the office; another may."""
    NARROW_PACKING = "narrower"
    """Pack less into each row, then read again."""
    REREAD = "reread"
    """Discard what was read and read again, a bounded number of times."""
    WAIT_FOR_AGING = "watch"
    """Aging is running: probe until it has completed."""
    IDENTIFY = "identify"
    """The key may have been moved: check which database it opens."""
    HOLD = "hold"
    """Publish it only if a second reading confirms it, or a human accepts it."""
    STAND_BY = "stand_by"
    """Other offices detect the end of it: ask again at the office's own slot."""
    SOON = "soon"
    """No request reaches anyone, so none needs a pause: ask again at a slot of the office within `SOON_SECONDS`."""


class Severity(StrEnum):
    """The log level of the first failure in a row; the repetitions are not logged as loudly."""

    INFO = "info"
    """Expected now and then; no one has to look."""
    WARNING = "warning"
    """It recovers by itself, but an operator may want to know."""
    ERROR = "error"
    """It does not recover before a human acts."""
