from docs.command_reference import PAGE, render_reference


def test_the_reference_says_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_reference(), "run `make docs`"
