"""Each step of the doctor, with the trouble that makes it ✗; the key's pace is held by the ward whatever happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import pytest

from oddaemon.core.diagnostics.diagnosis import CheckName, CheckOutcome
from oddaemon.core.model import Owner, Reader
from oddaemon.settings import Secret
from oddaemon.simulator.api.keys import Permission
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure, Endpoint
from oddaemon.simulator.faults.faults import (
    EConnectorDown,
    Fault,
    GatewayError,
    KeyDisabled,
    KeyUnassigned,
    Latency,
    OldVersion,
    OtherBody,
    PermissionMissing,
    ScheduledFault,
    TooManyRequests,
)
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.practice.preferences import DATE_LAST_AGING
from tests.engine.diagnostics.diagnostic_harness import diagnostic_harness, find_check, get_outcome, list_failed_checks
from tests.engine.night import BEFORE_DAWN, LOS_ANGELES, SMALL, SMILE, replace_credentials
from tests.golden import GoldenTexts

WITH_CLINICS = replace(SMILE, clinics=5)


async def test_an_office_in_which_all_is_well_is_found_so_in_fourteen_requests(golden: GoldenTexts) -> None:
    async with diagnostic_harness(spec=WITH_CLINICS) as place:
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        assert [request.kind for request in place.headquarters.traffic] == [
            Endpoint.SHORT_QUERY,
            *[Endpoint.PREFERENCES] * 7,
            Endpoint.AGING_REPORT,
            Endpoint.CLINICS,
            *[Endpoint.SHORT_QUERY] * 4,
        ]
        assert place.progress == [(done, 14) for done in range(1, 15)]
        assert "3 clinics. 2 hidden clinics" in find_check(found, CheckName.CLINICS).sentence
        assert "(ClinicNum 0)" in find_check(found, CheckName.CLINICS).sentence
        golden.check(find_check(found, CheckName.GUARANTORS).sentence)
        assert "Practice smile" in find_check(found, CheckName.CUSTOMER_KEY).sentence


async def test_no_balance_and_no_name_of_a_patient_is_asked_for() -> None:
    async with diagnostic_harness(spec=WITH_CLINICS) as place:
        await place.diagnose()
        asked = [heard.sql for heard in place.statements]
        [packed] = [sql for sql in asked if "GROUP_CONCAT" in sql]
        assert "PatNum>9223372036854775807" in packed
        assert place.practice.run_short_query(packed)[0]["L0"] is None
        assert not any("Name" in sql.replace("DevName", "").replace("PrefName", "") for sql in asked)


@pytest.mark.parametrize(
    ("fault", "at", "owner"),
    [
        (BrokenConnection(ConnectionFailure.REFUSED), CheckName.CONNECTION, Owner.US),
        (BrokenConnection(ConnectionFailure.NO_CONNECTION), CheckName.CONNECTION, Owner.US),
        (BrokenConnection(ConnectionFailure.STALL), CheckName.API, Owner.OFFICE),
        (GatewayError(502), CheckName.API, Owner.VENDOR),
        (TooManyRequests("5"), CheckName.API, Owner.US),
        (OtherBody("<html>captcha</html>", "text/html", 403), CheckName.API, Owner.VENDOR),
        (OtherBody("not json"), CheckName.API, Owner.VENDOR),
        (OtherBody('"Invalid developer key."', status=401), CheckName.DEVELOPER_KEY, Owner.US),
        (KeyDisabled(), CheckName.CUSTOMER_KEY, Owner.OFFICE),
        (KeyUnassigned(), CheckName.CUSTOMER_KEY, Owner.OFFICE),
        (EConnectorDown(), CheckName.ECONNECTOR, Owner.OFFICE),
        (Latency(70), CheckName.ECONNECTOR, Owner.OFFICE),
        (OldVersion(), CheckName.VERSION, Owner.OFFICE),
    ],
    ids=str,
)
async def test_what_is_in_the_way_is_shown_where_it_is_and_ends_the_asking(
    fault: Fault, at: CheckName, owner: Owner
) -> None:
    async with diagnostic_harness(fault) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [at]
        assert find_check(found, at).owner is owner
        assert find_check(found, at).advice
        assert len(place.headquarters.traffic) <= 4


async def test_a_wrong_developer_key_is_one_of_two_that_are_not_valid() -> None:
    async with diagnostic_harness() as place:
        found = await place.diagnose(
            replace_credentials(place.settings.offices["smile"], developer_key=Secret("mistyped"))
        )
        assert list_failed_checks(found) == [CheckName.CUSTOMER_KEY]
        assert get_outcome(found, CheckName.DEVELOPER_KEY) is CheckOutcome.SKIPPED


async def test_a_mistyped_customer_key_is_ours_and_the_message_stays_true() -> None:
    async with diagnostic_harness() as place:
        mistyped = replace_credentials(place.settings.offices["smile"], customer_key=Secret("mistyped"))
        found = await place.diagnose(mistyped)
        assert list_failed_checks(found) == [CheckName.CUSTOMER_KEY]
        check = find_check(found, CheckName.CUSTOMER_KEY)
        assert (check.owner, "`customer_key`" in check.advice) == (Owner.US, True)
        assert "any more" not in check.message


@pytest.mark.parametrize("permission", [Permission.READ_ALL, Permission.QUERIES])
async def test_a_key_that_may_not_query_is_shown_and_asked_on_at_the_pace_of_read_all(permission: Permission) -> None:
    faults = [] if permission is Permission.READ_ALL else [PermissionMissing()]
    async with diagnostic_harness(*faults, permission=permission) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.QUERIES]
        assert find_check(found, CheckName.QUERIES).owner is Owner.US
        assert get_outcome(found, CheckName.REPORTS) is CheckOutcome.OK
        assert get_outcome(found, CheckName.AGING) is CheckOutcome.OK
        starts = [request.arrived_seconds for request in place.headquarters.traffic]
        assert min(later - earlier for earlier, later in pairwise(starts)) >= 5


async def test_an_office_read_by_the_report_is_well_without_queries(golden: GoldenTexts) -> None:
    async with diagnostic_harness(permission=Permission.READ_ALL, reader=Reader.REPORT, interval=5.0) as place:
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        golden.check(find_check(found, CheckName.GUARANTORS).sentence)
        golden.check(find_check(found, CheckName.READER).sentence)
        assert "10 of them, 50 s" in find_check(found, CheckName.COST).sentence


async def test_a_longer_report_is_counted_by_where_it_ends(golden: GoldenTexts) -> None:
    async with diagnostic_harness(
        spec=SMILE, permission=Permission.READ_ALL, reader=Reader.REPORT, interval=5.0
    ) as place:
        found = await place.diagnose()
        golden.check(find_check(found, CheckName.GUARANTORS).sentence)
        assert "14 of them" in find_check(found, CheckName.COST).sentence
        golden.check(find_check(found, CheckName.REPORTS).sentence)


async def test_the_report_of_each_configured_clinic_is_counted() -> None:
    overrides: dict[str, Any] = {"reader": Reader.REPORT, "interval": 5.0, "clinics": (1, 2)}
    async with diagnostic_harness(spec=WITH_CLINICS, permission=Permission.READ_ALL, **overrides) as place:
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        sentence = find_check(found, CheckName.GUARANTORS).sentence
        assert sentence.endswith(" guarantors in the aging report.")
        assert 0 < int(sentence.split()[0]) < 300


async def test_a_report_that_fails_is_not_counted() -> None:
    refusal = OtherBody('"API key does not have the Reports permission."', status=401)
    fault = ScheduledFault(refusal, endpoints=frozenset({Endpoint.AGING_REPORT}))
    async with diagnostic_harness(fault, permission=Permission.READ_ALL, reader=Reader.REPORT, interval=5.0) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.REPORTS]
        assert get_outcome(found, CheckName.GUARANTORS) is CheckOutcome.SKIPPED


async def test_a_key_that_may_not_read_preferences() -> None:
    refusal = OtherBody('"API key does not have the Read All permission."', status=401)
    async with diagnostic_harness(ScheduledFault(refusal, endpoints=frozenset({Endpoint.PREFERENCES}))) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.PREFERENCES]
        assert get_outcome(found, CheckName.GUARANTORS) is CheckOutcome.OK


async def test_a_key_that_may_not_read_reports() -> None:
    refusal = OtherBody('"API key does not have the Reports permission."', status=401)
    async with diagnostic_harness(ScheduledFault(refusal, endpoints=frozenset({Endpoint.AGING_REPORT}))) as place:
        assert list_failed_checks(await place.diagnose()) == [CheckName.REPORTS]


async def test_a_report_that_takes_longer_than_the_api_waits_is_a_warning(golden: GoldenTexts) -> None:
    async with diagnostic_harness(options=HeadquartersOptions(report_seconds=80)) as place:
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        golden.check(find_check(found, CheckName.REPORTS).sentence)


@pytest.mark.parametrize(("version", "at"), [("21.1.9.0", [CheckName.VERSION]), ("21.3.27.0", [])])
async def test_an_old_version(version: str, at: list[CheckName]) -> None:
    async with diagnostic_harness(spec=replace(SMALL, program_version=version)) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == at
        assert version in find_check(found, CheckName.VERSION).sentence
        assert get_outcome(found, CheckName.REPORTS) is CheckOutcome.SKIPPED


async def test_a_zone_that_is_not_the_offices() -> None:
    denver = replace(SMALL, zone="America/Denver")
    async with diagnostic_harness(spec=denver, base=BEFORE_DAWN - timedelta(minutes=30)) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.CLOCK]
        assert "America/Denver or America/Phoenix" in find_check(found, CheckName.CLOCK).sentence


async def test_without_a_zone_those_that_fit_are_suggested() -> None:
    async with diagnostic_harness(zone=None) as place:
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        assert "America/Los_Angeles" in find_check(found, CheckName.CLOCK).advice


async def test_an_office_server_whose_clock_is_wrong() -> None:
    async with diagnostic_harness(spec=replace(SMALL, clock_skew_seconds=-1200.0)) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.CLOCK]
        assert "20 min slow" in find_check(found, CheckName.CLOCK).sentence


async def test_a_service_that_is_down() -> None:
    down_since_two = datetime(2026, 3, 3, 10, 30, tzinfo=UTC)
    async with diagnostic_harness(spec=replace(SMALL, start_delay_seconds=20_000), base=down_since_two) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.SERVICE]
        assert "30 min ago" in find_check(found, CheckName.SERVICE).sentence


async def test_automated_aging_that_is_switched_off() -> None:
    async with diagnostic_harness(spec=replace(SMALL, service_time_due=None)) as place:
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.AUTOMATION]
        assert get_outcome(found, CheckName.AGING) is CheckOutcome.SKIPPED


async def test_aging_that_did_not_run() -> None:
    async with diagnostic_harness() as place:
        place.practice.set_preference(DATE_LAST_AGING, "2026-02-27")
        assert list_failed_checks(await place.diagnose()) == [CheckName.AGING]


async def test_a_lock_that_a_crashed_run_left() -> None:
    async with diagnostic_harness() as place:
        place.practice.set_preference("AgingBeginDateTime", "2026-03-02 12:00:00")
        found = await place.diagnose()
        assert list_failed_checks(found) == [CheckName.AGING]
        assert find_check(found, CheckName.AGING).message


async def test_a_clinic_that_is_configured_and_does_not_exist() -> None:
    async with diagnostic_harness(spec=WITH_CLINICS, clinics=(1, 9)) as place:
        assert list_failed_checks(await place.diagnose()) == [CheckName.CLINICS]


async def test_a_server_that_refuses_the_statement_is_read_in_pages_unless_it_must_not(golden: GoldenTexts) -> None:
    refusing = replace(SMALL, refuses=("GROUP_CONCAT",))
    async with diagnostic_harness(spec=refusing) as place:
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        assert find_check(found, CheckName.READER).sentence.startswith("In pages: the statement does not work")
        golden.check(find_check(found, CheckName.GUARANTORS).sentence)
    async with diagnostic_harness(spec=refusing, reader=Reader.STATEMENT) as place:
        assert list_failed_checks(await place.diagnose()) == [CheckName.READER]


async def test_pat_nums_that_are_random_are_read_in_pages() -> None:
    async with diagnostic_harness(spec=replace(SMILE, pat_nums="random")) as place:
        found = await place.diagnose()
        assert "too sparse" in find_check(found, CheckName.READER).sentence
        assert "5 of them, 5 s" in find_check(found, CheckName.COST).sentence


async def test_a_key_that_the_office_has_taken_from_its_list() -> None:
    async with diagnostic_harness(keys=["another-of-ours"]) as place:
        place.practice.tables.delete_key("planted-customer-key-smile")
        found = await place.diagnose()
        assert found.is_healthy, "the list is a copy that may be old: a hint"
        assert "1 key of ours" in find_check(found, CheckName.OUR_KEY).sentence


async def test_a_name_under_which_the_office_lists_nothing() -> None:
    async with diagnostic_harness() as place:
        api = place.settings.api.model_copy(update={"developer_name": "O'Dea & Sons"})
        place.settings = replace(place.settings, api=api)
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        assert "O'Dea & Sons" in find_check(found, CheckName.OUR_KEY).sentence


async def test_a_diagnosis_at_night_waits_for_the_aging_run() -> None:
    async with diagnostic_harness(base=BEFORE_DAWN + timedelta(hours=1, seconds=30)) as place:
        found = await place.diagnose()
        assert found.is_healthy, found.failed_checks
        assert "running since" in find_check(found, CheckName.AGING).sentence


async def test_a_diagnosis_cut_by_a_shutdown_lists_the_skipped_checks(golden: GoldenTexts) -> None:
    async with diagnostic_harness() as place, anyio.create_task_group() as tasks:
        doctor = place.make_doctor()

        async def close_soon() -> None:
            await anyio.sleep(4)
            doctor._api.rate_limiter.close()

        tasks.start_soon(close_soon)
        found = await doctor.diagnose(place.settings.offices["smile"])
        assert found.is_healthy
        assert get_outcome(found, CheckName.QUERIES) is CheckOutcome.OK
        golden.check(find_check(found, CheckName.AGING).sentence)


def test_the_zone_of_these_tests_is_the_practices() -> None:
    assert LOS_ANGELES.key == SMALL.zone
