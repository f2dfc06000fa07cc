"""The aging report's JSON: what is no row of it is refused, without a word of what stands there."""

import json

import pytest

from oddaemon.opendental.decode import parse_report_rows
from oddaemon.opendental.decode_values import MalformedValue

AMOUNTS = ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "BalTotal", "InsWoEst", "InsPayEst", "PatientPortion")


def make_body(*pat_nums: int) -> bytes:
    return json.dumps(
        [{"PatNum": number, "patName": "Elm", **dict.fromkeys(AMOUNTS, 0)} for number in pat_nums]
    ).encode()


def test_a_guarantor_may_have_any_number_that_a_database_holds() -> None:
    assert [row.pat_num for row in parse_report_rows(make_body(1, 2**63 - 1))] == [1, 2**63 - 1]


@pytest.mark.parametrize("pat_num", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_no_database_holds_is_refused(pat_num: int) -> None:
    with pytest.raises(MalformedValue, match="is not an aging report"):
        parse_report_rows(make_body(pat_num))
