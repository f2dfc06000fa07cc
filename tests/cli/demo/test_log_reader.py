from pathlib import Path

from oddaemon.cli.demo.log_reader import LogSummary, LogTail


def test_a_journal_gives_each_event_once_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"event": "one"}\nnot an event\n{"event": "tw')
    journal = LogTail(log)

    assert [event["event"] for event in journal.read_new_events()] == ["one"]
    assert list(journal.read_new_events()) == []
    with log.open("a") as file:
        file.write('o"}\n{"event": "three"}\n')
    assert [event["event"] for event in journal.read_new_events()] == ["two", "three"]


def read_events(*events: dict[str, object]) -> LogSummary:
    reader = LogSummary("elm")
    for event in events:
        reader.add(event)
    return reader


def make_aging_event(day: str, office: str = "elm") -> dict[str, object]:
    return {"event": "aging_status_changed", "office": office, "status": "complete", "aging_date": day}


def make_page_event(rows: int, of: int = 400, office: str = "elm") -> dict[str, object]:
    return {"event": "page_stored", "office": office, "rows": rows, "rows_total": of}


def make_pull_event(resumed_rows: int) -> dict[str, object]:
    return {"event": "pull_started", "office": "elm", "reader": "pages", "resumed_rows": resumed_rows}


def test_the_moment_to_kill_is_half_way_through_tonight_s_pull() -> None:
    first = (make_aging_event("2026-03-07"), make_pull_event(0), make_page_event(200))
    tonight = (*first, make_aging_event("2026-03-08"), make_pull_event(0))

    assert not read_events(*first).is_half_pulled
    assert not read_events(*tonight).is_half_pulled
    assert not read_events(*tonight, make_page_event(100)).is_half_pulled
    assert read_events(*tonight, make_page_event(200)).is_half_pulled
    assert read_events(*tonight, make_page_event(300)).is_half_pulled
    assert not read_events(*tonight, make_page_event(400)).is_half_pulled


def test_a_pull_that_aging_overtook_is_no_half_of_tonight_s() -> None:
    overtaken = (
        make_aging_event("2026-03-07"),
        make_pull_event(0),
        make_page_event(300),
        make_aging_event("2026-03-07"),
        make_aging_event("2026-03-08"),
    )

    assert not read_events(*overtaken).is_half_pulled
    assert not read_events(*overtaken, make_pull_event(0), make_page_event(100)).is_half_pulled
    assert read_events(*overtaken, make_pull_event(0), make_page_event(200)).is_half_pulled


def test_other_offices_do_not_matter_to_the_victim() -> None:
    events = (make_aging_event("2026-03-07"), make_aging_event("2026-03-08", "oak"), make_page_event(200, office="oak"))

    assert not read_events(*events, make_page_event(200)).is_half_pulled
    assert read_events(*events).rows_stored == 0


def test_where_a_pull_goes_on_and_what_crashed_is_kept() -> None:
    summary = read_events(
        make_pull_event(0),
        make_page_event(200),
        {"event": "daemon_ready", "listen": "127.0.0.1:1"},
        make_pull_event(200),
    )
    summary.add({"event": "worker_crashed", "office": "oak"})
    summary.add({"event": "something_new"})

    assert (summary.resumed_rows, summary.rows_stored, summary.crashes, summary.listen) == (200, 200, 1, "127.0.0.1:1")
