"""A misspelled name is answered with the known one that it resembles."""

import pytest

from oddaemon.core.reporting.command_hints import LIST_OFFICES, describe_unknown_office
from oddaemon.core.suggestions import find_nearest, suggest_name

KNOWN = ("bright-smiles", "hill-street", "Elm")


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("bright_smiles", "bright-smiles"),
        ("HILLSTREET", "hill-street"),
        ("elm", "Elm"),
        ("zzz", None),
        ("hill-street" * 6, None),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case_and_its_dashes(word: str, nearest: str | None) -> None:
    assert find_nearest(word, KNOWN) == nearest
    assert suggest_name(word, KNOWN) == (f"did you mean `{nearest}`?" if nearest else "")


def test_an_unknown_office_is_answered_with_the_nearest_or_with_where_to_look() -> None:
    assert describe_unknown_office("hillstreet", KNOWN)[1] == "Did you mean `hill-street`?"
    assert describe_unknown_office("zzz", KNOWN)[1] == describe_unknown_office("zzz")[1] == LIST_OFFICES
