from docs.command_reference import PAGE, reference


def test_the_reference_says_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "make docs writes it anew"
