from docs.contracts import PAGE, page


def test_the_document_lists_the_contracts_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "A contract changed. Announce it in CHANGELOG.md, keep the old form for one release, then run `make docs`."
    )
