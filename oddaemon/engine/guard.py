"""The one broad guard of the house: a programmer's error in one place must not end what goes on in the others."""

from collections.abc import Awaitable, Callable


async def crash_of(work: Callable[[], Awaitable[None]], *expected: type[Exception]) -> Exception | None:
    """Do the work.

    Args:
        work: what is to be done.
        expected: what it may raise without having crashed.

    Returns:
        What it crashed of; None: it did not.

    Raises:
        Exception: one that was expected.
    """
    try:
        await work()
    except expected:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        return error
    return None
