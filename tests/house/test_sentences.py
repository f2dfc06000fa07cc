"""Wording is improved in golden files, not in tests."""

from tests.house.sentences import list_sentences

SENTENCES_MAX = 99
"""It only goes down."""


def test_tests_assert_fields_and_golden_files_rather_than_sentences() -> None:
    found = list_sentences()
    assert len(found) <= SENTENCES_MAX, (
        f"{len(found)} asserted sentences. Assert a kind, a code or a field; hand the text to `golden.check`.\n"
        "`python -m tests.house.sentences` lists them."
    )
