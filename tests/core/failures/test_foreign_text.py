"""No value of a patient's in an error text that another system wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.failures.foreign_text import mask_values


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "Truncated incorrect DOUBLE value: 'PatNum 4711 Smith, Ann owes 1234.56'",
            "Truncated incorrect DOUBLE value: '***'",
        ),
        ("Duplicate entry '4711-O'Brien' for key 'PRIMARY'", "Duplicate entry '***' for key '***'"),
        ("Incorrect value: 'PatNum 4711 Smith, An", "Incorrect value: '***'"),
        ('Truncated value: "Smith, Ann" at row 1', 'Truncated value: "***" at row 1'),
        ("Valeur incorrecte : \u00abMüller, Jörg\u00bb ligne 3", 'Valeur incorrecte : "***" ligne 3'),
        ("Falscher Wert: \u201eMüller, Jörg\u201c in Zeile 3", 'Falscher Wert: "***" in Zeile 3'),
        ("Value \u2018Smith\u2019s balance\u2019 is wrong", "Value '***' is wrong"),
        ("Unknown column `p.LName` in field list", "Unknown column '***' in field list"),
        ("PatNum 4711 owes 234.56 or 1,234 since 03/14/1985", "PatNum *** owes *** or *** since ***"),
        ("phone 555-123-4567, balance \u0661\u0662\u0663\u0664", "phone ***, balance ***"),
        (
            "The office's server can't be reached, it doesn't answer",
            "The office's server can't be reached, it doesn't answer",
        ),
        (
            "Version 24.3.44 at 10.0.0.12 answered 503 after 2.5 s",
            "Version 24.3.44 at 10.0.0.12 answered 503 after 2.5 s",
        ),
        ("See https://u:pw@kb.example.com/article?id=5#top", "See https://kb.example.com/article"),
        ("The header ODFHIR abc/def is wrong", "The header ODFHIR *** is wrong"),
        ("", ""),
    ],
)
def test_what_an_error_text_quotes_is_masked(text: str, masked: str) -> None:
    assert mask_values(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "The office's server can't be reached, and its eConnector doesn't answer",
        "The office\u2019s eConnector is not running \u2014 start it",
        "Version 24.3.44 at 10.0.0.12 answered 503 after 2.5 s",
    ],
)
def test_words_and_versions_stay(text: str) -> None:
    assert mask_values(text) == text


@given(
    st.text(),
    st.sampled_from(["''", '""', "``", "\u201c\u201d", "\u00ab\u00bb", "\u201e\u201c", "\u2018\u2019"]),
    st.text(),
)
def test_a_name_in_any_quotes_is_masked(before: str, quotes: str, after: str) -> None:
    assert "Smith, Ann" not in mask_values(f"{before} {quotes[0]}Smith, Ann{quotes[1]} {after}")


@given(st.text(), st.integers(1000))
def test_no_number_of_four_digits_is_left(text: str, number: int) -> None:
    assert str(number) not in mask_values(f"{text} {number} {text}")
