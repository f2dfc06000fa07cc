import re

import pytest

from oddaemon.core.failures.classify import refine_unproven_key
from oddaemon.core.failures.failure import FAILURE_TEXTS, Failure, FailureKind
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.failures.recovery import Recovery, Severity
from oddaemon.core.model import Owner

NEEDS_A_HUMAN = {Recovery.BLOCK, Recovery.IDENTIFY}
NO_ONE_TO_WRITE_TO = {FailureKind.AGING_CHANGED}
"""Aging of some families by day is the office's good right, and cannot be distinguished from a run of all."""
OURS_FIRST = {FailureKind.KEY_NEVER_ACCEPTED}
"""What we look for on our side before an office is written to."""


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_has_a_meaning_and_advice(kind: FailureKind) -> None:
    assert kind.meaning
    assert not kind.meaning.endswith(".")
    assert kind.advice.endswith(".")


def test_the_table_is_in_the_order_of_the_kinds() -> None:
    assert list(FAILURE_TEXTS) == list(FailureKind)


@pytest.mark.parametrize("kind", FailureKind)
def test_what_needs_a_human_is_an_error_in_the_log(kind: FailureKind) -> None:
    assert kind.recovery not in NEEDS_A_HUMAN or kind.severity is Severity.ERROR


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_of_another_owner_has_a_message(kind: FailureKind) -> None:
    assert bool(format_failure_message(Failure(kind))) is (
        (kind.owner is not Owner.US or kind in OURS_FIRST) and kind not in NO_ONE_TO_WRITE_TO
    )


@pytest.mark.parametrize("kind", [kind for kind, text in FAILURE_TEXTS.items() if text.request])
def test_a_message_can_be_sent_as_it_is(kind: FailureKind) -> None:
    message = format_failure_message(Failure(kind, "Said the other side.", 400))
    to_vendor = kind.owner is Owner.VENDOR
    assert message.startswith("Hello Open Dental support! " if to_vendor else "Hello! ")
    assert message.endswith(" Thank you very much for your help!")
    assert "Could you please" in message
    assert "“Said the other side.”" in message
    assert "error message" not in format_failure_message(Failure(kind))
    assert message == " ".join(message.split())
    assert not re.search(r"oddaemon|HTTP|None|\{|customer key", message)


def test_a_message_to_an_office_names_no_statement() -> None:
    for kind, (_, _, observation, request) in FAILURE_TEXTS.items():
        if kind.owner is Owner.OFFICE:
            assert not re.search(r"SQL\b(?<!MySQL)|SELECT|ShortQuery|JSON|status", f"{observation} {request}")


def test_the_sentence_holds_the_meaning_the_status_and_the_other_sides_own_words() -> None:
    assert (
        Failure(FailureKind.SERVER_ERROR, "Oops.", 500).sentence
        == f"{FailureKind.SERVER_ERROR.meaning} (HTTP 500): Oops."
    )
    assert Failure(FailureKind.TIMEOUT).sentence == FailureKind.TIMEOUT.meaning


def test_a_key_that_never_worked_is_ours_first_and_blames_no_office() -> None:
    mistyped = refine_unproven_key(Failure(FailureKind.KEY_REJECTED, "API key is not valid.", 401))
    assert (mistyped.kind, mistyped.kind.owner) == (FailureKind.KEY_NEVER_ACCEPTED, Owner.US)
    assert "`customer_key`" in mistyped.kind.advice
    message = format_failure_message(mistyped)
    assert "no longer" not in message
    assert "we read" not in message
    assert "no longer" in format_failure_message(Failure(FailureKind.KEY_REJECTED))


def test_a_key_that_the_api_knows_was_typed_right() -> None:
    for failure in (Failure(FailureKind.KEY_REJECTED, "API key is disabled."), Failure(FailureKind.KEY_UNASSIGNED)):
        assert refine_unproven_key(failure) is failure
