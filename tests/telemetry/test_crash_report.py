import sqlite3

import pytest

from oddaemon.http_server.server import ListenError
from oddaemon.telemetry.logging.traceback import CHAIN_MAX, format_traceback


def fail(error: Exception) -> None:
    secret_local = "hunter2 owes 370.00"
    assert secret_local
    raise error


def crash(error: Exception) -> str:
    with pytest.raises(type(error)) as caught:
        fail(error)
    return format_traceback(caught.value)


def test_frames_are_told_with_their_lines_and_without_locals() -> None:
    told = crash(RuntimeError("hunter3"))
    assert "test_crash_report.py" in told
    assert ", in fail\n    raise error\n" in told
    assert "370.00\n" not in told
    assert told.endswith("RuntimeError (its message is withheld: it may hold data)")


def test_what_a_third_party_choked_on_is_withheld() -> None:
    told = crash(KeyError(123456789))
    assert "123456789" not in told
    assert told.endswith("KeyError (its message is withheld: it may hold data)")


@pytest.mark.parametrize(
    ("error", "headline"),
    [
        (ListenError("Port taken."), "oddaemon.http_server.server.ListenError: Port taken."),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (sqlite3.OperationalError("database is locked"), "sqlite3.OperationalError: database is locked"),
    ],
)
def test_messages_of_our_own_and_of_the_system_are_told(error: Exception, headline: str) -> None:
    assert crash(error).endswith(headline)


def fail_because_of_a_key_error(*, from_none: bool) -> None:
    try:
        fail(KeyError(1))
    except KeyError as error:
        raise OSError("Second.") from (None if from_none else error)


@pytest.mark.parametrize("from_none", [False, True])
def test_what_led_to_a_crash_comes_first_unless_it_was_set_aside(from_none: bool) -> None:
    with pytest.raises(OSError, match="Second") as caught:
        fail_because_of_a_key_error(from_none=from_none)
    told = format_traceback(caught.value)
    assert ("KeyError (" in told.partition("OSError: Second.")[0]) is not from_none
    assert told.endswith("OSError: Second.")


def fail_while_handling_a_key_error() -> None:
    try:
        fail(KeyError(1))
    finally:
        fail(OSError("Second."))


def test_an_error_in_handling_another_tells_both() -> None:
    with pytest.raises(OSError, match="Second") as caught:
        fail_while_handling_a_key_error()
    assert "KeyError (" in format_traceback(caught.value)


def test_a_group_tells_what_is_in_it_up_to_a_limit() -> None:
    told = format_traceback(ExceptionGroup("370.00", [OSError(f"number {number};") for number in range(CHAIN_MAX * 3)]))
    assert "370.00" not in told
    assert "number 0;" in told
    assert told.count("number ") == CHAIN_MAX - 1


def test_a_circle_of_causes_ends() -> None:
    first, second = OSError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    assert format_traceback(first).splitlines() == ["OSError: second", "OSError: first"]
