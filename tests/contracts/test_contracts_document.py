from docs.contracts import PAGE, render_page, render_renames


def test_the_document_lists_the_contracts_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), (
        "A contract changed. Announce it in CHANGELOG.md, keep the old form for one release, then run `make docs`."
    )


def test_the_changelog_has_the_table_of_renames() -> None:
    assert render_renames() in PAGE.parent.with_name("CHANGELOG.md").read_text(encoding="utf-8")
