import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from oddaemon.cli.demo.cast import cast
from oddaemon.cli.demo.child import started
from oddaemon.cli.demo.desk import Traffic
from oddaemon.cli.demo.morning import Check, polite, resumed, stopped
from oddaemon.cli.demo.report import Report, tell
from oddaemon.cli.demo.told import Told
from oddaemon.cli.demo.verdict import Proof, Verdict
from tests.cli.test_demo_verdict import BLOCKED, EMPTY, FRESH, NOW


def test_a_pull_must_go_on_where_it_was_cut_off() -> None:
    assert resumed(Told("elm", resumed_rows=1200), 1200).right
    assert resumed(Told("elm", resumed_rows=1300), 1200).right
    assert not resumed(Told("elm", resumed_rows=0), 1200).right
    assert not resumed(Told("elm", resumed_rows=0), 0).right


def test_one_rude_request_is_too_many_and_early_ones_are_counted() -> None:
    assert polite(Traffic(requests=600, rude=0, early=30, first="elm: too soon")).right
    assert not polite(Traffic(requests=600, rude=0, early=31, first="elm: too soon")).right
    rude = polite(Traffic(requests=600, rude=1, early=0, first="elm: two in flight"))
    assert (rude.right, rude.text) == (False, "1 of 600 requests were impolite, 0 early: elm: two in flight")


def test_a_daemon_must_obey_sigterm_in_good_order() -> None:
    assert stopped(0, 0.4).right
    assert not stopped(1, 0.4).right
    assert not stopped(None, 10.0).right


def report(*complaints: str, check: bool = True) -> Report:
    character = cast(NOW, 25, 7)[0]
    proof = Proof(snapshots=2, guarantors=40, cents=123456, complaints=complaints)
    return Report([Verdict(character, FRESH, EMPTY, proof, complaints)], [Check(check, "All keys are hidden.")], 31.4)


def told(given: Report, width: int = 200) -> str:
    file = io.StringIO()
    tell(given, Console(file=file, width=width, force_terminal=True, no_color=True, highlight=False))
    return file.getvalue()


def test_a_good_night_ends_with_what_was_proved() -> None:
    good = report()

    assert good.right
    assert "✓ true" in told(good)
    assert "1 of 1 offices are as they must be: 2 snapshots of 40 guarantors, $1,234.56 in all, equal" in told(good)


def test_a_narrow_terminal_loses_no_reason() -> None:
    given = report()
    blocked = replace(given.verdicts[0], standing=BLOCKED)

    assert "does not accept" in told(replace(given, verdicts=[blocked]), width=80)


def test_a_bad_office_or_a_bad_check_makes_a_bad_night() -> None:
    bad = report("snapshot 1 is not true")

    assert not bad.right
    assert not report(check=False).right
    assert "✗ alder-creek: snapshot 1 is not true" in told(bad)
    assert "0 of 1 offices" in told(bad)


async def test_a_process_that_ends_by_itself_is_told_with_its_log(tmp_path: Path) -> None:
    async with started(["--version"], tmp_path / "log") as child:
        assert await child.stop() is not None
        message = ""
        try:
            child.must_live()
        except ChildProcessError as error:
            message = str(error)
    assert message.startswith("`oddaemon --version` ended by itself.")


async def test_no_process_outlives_its_block(tmp_path: Path) -> None:
    async with started(["simulator", "--offices", "1"], tmp_path / "log") as child:
        assert not child.ended
    assert child.ended
