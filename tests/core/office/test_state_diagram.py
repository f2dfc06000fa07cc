from docs.state_diagram import edges


def test_only_a_verified_pull_is_published() -> None:
    assert [labels for (_, target), labels in edges().items() if target == "publish"] == [{"proved"}]
