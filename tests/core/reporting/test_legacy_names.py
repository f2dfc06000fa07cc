from oddaemon.core.reporting.legacy_names import translate_names


def test_an_entry_from_before_the_renames_has_the_present_names() -> None:
    fields = {"order": "pause", "answer": "Paused.", "is_refused": False, "uid": 1000}
    expected = {"command": "pause", "response": "Paused.", "rejected": False, "uid": 1000}
    assert translate_names("order_given", fields) == ("command_received", expected)


def test_coded_values_are_translated_and_text_is_not() -> None:
    fields = {"kind": "lane_cut", "message": "former", "exchange": {}}
    assert translate_names("failure_seen", fields) == (
        "failure_seen",
        {"kind": "column_truncated", "message": "former", "request": {}},
    )


def test_present_names_stay() -> None:
    fields = {"reason": "paused", "until": "2026-03-08T07:00:00.000Z"}
    assert translate_names("office_stopped", fields) == ("office_stopped", fields)
    assert translate_names("of_a_later_version", fields) == ("of_a_later_version", fields)
