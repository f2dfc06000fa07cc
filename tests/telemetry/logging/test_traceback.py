import sqlite3
from pathlib import Path

import pytest

from oddaemon.http_server.server import ListenError
from oddaemon.telemetry.logging.traceback import CHAIN_MAX, format_traceback


def raise_error(error: Exception) -> None:
    secret_local = "hunter2 owes 370.00"
    assert secret_local
    raise error


def describe_crash(error: Exception) -> str:
    with pytest.raises(type(error)) as caught:
        raise_error(error)
    return format_traceback(caught.value)


def test_frames_are_shown_with_their_lines_and_without_locals() -> None:
    report = describe_crash(RuntimeError("hunter3"))
    assert Path(__file__).name in report
    assert ", in raise_error\n    raise error\n" in report
    assert "370.00\n" not in report
    assert report.endswith("RuntimeError (its message is withheld: it may hold data)")


def test_what_a_third_party_choked_on_is_withheld() -> None:
    report = describe_crash(KeyError(123456789))
    assert "123456789" not in report
    assert report.endswith("KeyError (its message is withheld: it may hold data)")


@pytest.mark.parametrize(
    ("error", "headline"),
    [
        (ListenError("Port taken."), "oddaemon.http_server.server.ListenError: Port taken."),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (sqlite3.OperationalError("database is locked"), "sqlite3.OperationalError: database is locked"),
    ],
)
def test_messages_of_our_own_and_of_the_system_are_shown(error: Exception, headline: str) -> None:
    assert describe_crash(error).endswith(headline)


def fail_because_of_a_key_error(*, from_none: bool) -> None:
    try:
        raise_error(KeyError(1))
    except KeyError as error:
        raise OSError("Second.") from (None if from_none else error)


@pytest.mark.parametrize("from_none", [False, True])
def test_what_led_to_a_crash_comes_first_unless_it_was_set_aside(from_none: bool) -> None:
    with pytest.raises(OSError, match="Second") as caught:
        fail_because_of_a_key_error(from_none=from_none)
    report = format_traceback(caught.value)
    assert ("KeyError (" in report.partition("OSError: Second.")[0]) is not from_none
    assert report.endswith("OSError: Second.")


def fail_while_handling_a_key_error() -> None:
    try:
        raise_error(KeyError(1))
    finally:
        raise_error(OSError("Second."))


def test_an_error_in_handling_another_shows_both() -> None:
    with pytest.raises(OSError, match="Second") as caught:
        fail_while_handling_a_key_error()
    assert "KeyError (" in format_traceback(caught.value)


def test_a_group_shows_its_exceptions_up_to_a_limit() -> None:
    report = format_traceback(
        ExceptionGroup("370.00", [OSError(f"number {number};") for number in range(CHAIN_MAX * 3)])
    )
    assert "370.00" not in report
    assert "number 0;" in report
    assert report.count("number ") == CHAIN_MAX - 1


def test_a_circle_of_causes_ends() -> None:
    first, second = OSError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    assert format_traceback(first).splitlines() == ["OSError: second", "OSError: first"]
