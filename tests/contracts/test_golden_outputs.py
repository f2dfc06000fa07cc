"""The program says what it said before: see `record.py`."""

import pytest

from tests.contracts.record import GOLDEN, RECORDINGS


@pytest.mark.parametrize("name", RECORDINGS)
def test_it_is_as_recorded(name: str) -> None:
    recorded = (GOLDEN / name).read_text(encoding="utf-8")
    assert RECORDINGS[name]() == recorded, (
        f"golden/{name} differs. If this is meant: `python -m tests.contracts.record` writes it again, "
        "and a changed contract is announced in docs/contracts.md and CHANGELOG.md."
    )
