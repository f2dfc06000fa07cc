import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from oddaemon.cli.demo.final_checks import FinalCheck, check_resumed, check_shutdown, check_traffic
from oddaemon.cli.demo.log_reader import LogSummary
from oddaemon.cli.demo.processes import run_process
from oddaemon.cli.demo.report import Report, print_report
from oddaemon.cli.demo.scenario import make_scenarios
from oddaemon.cli.demo.simulator_client import TrafficStats
from oddaemon.cli.demo.verdict import Verdict
from tests.cli.demo.test_verdict import BLOCKED, EMPTY, FRESH, NOW
from tests.golden import GoldenTexts


def test_a_pull_must_go_on_where_it_was_cut_off() -> None:
    assert check_resumed(LogSummary("elm", resumed_rows=1200), 1200).passed
    assert check_resumed(LogSummary("elm", resumed_rows=1300), 1200).passed
    assert not check_resumed(LogSummary("elm", resumed_rows=0), 1200).passed
    assert not check_resumed(LogSummary("elm", resumed_rows=0), 0).passed


def test_one_rude_request_is_too_many(golden: GoldenTexts) -> None:
    assert check_traffic(TrafficStats(requests=600, violations=0, first_violation="")).passed
    rude = check_traffic(TrafficStats(requests=600, violations=1, first_violation="elm: two in flight"))
    assert not rude.passed
    golden.check(rude.text)


def test_a_daemon_must_obey_sigterm_in_good_order() -> None:
    assert check_shutdown(0, 0.4).passed
    assert not check_shutdown(1, 0.4).passed
    assert not check_shutdown(None, 10.0).passed


def make_report(*complaints: str, check: bool = True) -> Report:
    scenario = make_scenarios(NOW, 25, 7)[0]
    totals = EMPTY.totals._replace(guarantors=20, bal_total=61_728)
    verdict = Verdict(scenario, FRESH, [replace(EMPTY, totals=totals)] * 2, complaints)
    return Report([verdict], [FinalCheck(check, "All keys are hidden.")], 31.4)


def render_report(report: Report, width: int = 200) -> str:
    file = io.StringIO()
    print_report(report, Console(file=file, width=width, force_terminal=True, no_color=True, highlight=False))
    return file.getvalue()


def test_a_good_night_ends_with_what_was_proved(golden: GoldenTexts) -> None:
    good = make_report()

    assert good.passed
    assert "✓ true" in render_report(good)
    golden.check(render_report(good))


def test_a_narrow_terminal_loses_no_reason() -> None:
    given = make_report()
    blocked = replace(given.verdicts[0], status=BLOCKED)

    assert "does not accept" in render_report(replace(given, verdicts=[blocked]), width=80)


def test_a_bad_office_or_a_bad_check_makes_a_bad_night(golden: GoldenTexts) -> None:
    bad = make_report("snapshot 1 is not true")

    assert not bad.passed
    assert not make_report(check=False).passed
    golden.check(render_report(bad))
    assert "0 of 1 offices" in render_report(bad)


async def test_a_process_that_ends_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    async with run_process(["--version"], tmp_path / "log") as child:
        assert await child.stop() is not None
        message = ""
        try:
            child.require_running()
        except ChildProcessError as error:
            message = str(error)
    assert message.startswith("`oddaemon --version` exited unexpectedly.")


async def test_no_process_outlives_its_block(tmp_path: Path) -> None:
    async with run_process(["simulator", "--offices", "1"], tmp_path / "log") as child:
        assert not child.has_ended
    assert child.has_ended
