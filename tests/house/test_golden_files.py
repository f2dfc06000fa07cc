"""Each recorded sentence belongs to a test that still says it."""

import ast
from pathlib import Path

from tests.golden import read_sections

TESTS = Path(__file__).parents[1]
RECORDINGS = [path for path in TESTS.rglob("golden/*.txt") if path.read_text(encoding="utf-8").startswith("== ")]


def list_tests(module: Path) -> set[str]:
    if not module.exists():
        return set()
    nodes = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
    return {
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(each.arg == "golden" for each in (*node.args.args, *node.args.kwonlyargs))
    }


def test_no_section_is_left_over() -> None:
    assert RECORDINGS
    left_over = [
        f"{path.relative_to(TESTS)}: {section}"
        for path in RECORDINGS
        for section in read_sections(path)
        if section.partition("[")[0] not in list_tests(path.parents[1] / f"test_{path.stem}.py")
    ]
    assert not left_over, f"delete them: {left_over}"
