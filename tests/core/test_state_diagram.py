from docs.state_diagram import README, edges, in_place


def test_the_readme_shows_the_state_machine_as_it_is() -> None:
    text = README.read_text(encoding="utf-8")
    assert in_place(text) == text, "run `make docs`"


def test_nothing_is_published_but_what_was_proved() -> None:
    assert [labels for (_, target), labels in edges().items() if target == "publish"] == [{"proved"}]
